-- Record a new command, and put it into the list from which the session of the charge point sends.
-- KEYS command list deadlines events lease record recent failed_starts
-- | ARGV member id action payload body ttl_ms waits_ms kept_ms limit reply_to sealed by
-- -> {'fresh', node, {field, value, ...}, now_ms} | {'known', '', {field, value, ...}, now_ms} | {'conflict'}
-- The first status is 'queued', or 'waiting' if `waits_ms` says how long to wait for the charge point. It is 'offline'
-- if no session holds the lease, or, with `waits_ms`, if the charge point was deleted. It is 'busy' if `list` is full.
-- `sealed` is the encrypted payload of a command with a secret, and `payload` then the masked one, which no gateway may
-- send. So it is not stored under the name from which old gateways send. `by` is the id of the API key, or empty.
-- WITH deletion recent_commands failed_starts
local known = redis.call('HGET', command, 'body')
if known and known ~= body then return {'conflict'} end
if known then return {'known', '', redis.call('HGETALL', command), now_ms()} end
local holder, node = unpack(redis.call('HMGET', lease, 'holder', 'node'))
local now, first, lasts_ms, reachable = now_ms(), 'queued', ttl_ms, holder and holder ~= ''
if waits_ms ~= '' then
  first, lasts_ms, reachable = 'waiting', waits_ms, redis.call('HEXISTS', record, 'registered_ms') == 1
  redis.call('HSET', command, 'ttl_ms', ttl_ms, 'waits_until_ms', now + waits_ms)
end
local full = redis.call('LLEN', list) >= tonumber(limit)
local status = not reachable and 'offline' or full and 'busy' or first
if sealed ~= '' then redis.call('HSET', command, 'masked', payload) end
redis.call('HSET', command, 'of', member, 'action', action, 'payload', sealed ~= '' and '{"sealed":true}' or payload,
  'body', body, 'reply_to', reply_to, 'status', status, 'created_ms', now, 'deadline_ms', now + lasts_ms)
if status == first then
  redis.call('PEXPIRE', command, ttl_ms + kept_ms + (waits_ms ~= '' and waits_ms or 0))
  redis.call('RPUSH', list, id)
  redis.call('ZADD', deadlines, now + lasts_ms, id .. ' ' .. member)
  if sealed ~= '' then redis.call('HSET', command, 'sealed', sealed) end
else
  redis.call('HSET', command, 'settled_ms', now)
  redis.call('PEXPIRE', command, kept_ms)
  if action == 'RemoteStartTransaction' then note_failed_start(failed_starts, id, now) end
end
if by ~= '' then redis.call('HSET', command, 'by', by) end
if not deleted(record, lease) then list_command(recent, now, id, waits_ms ~= '' and waits_ms or 0) end
emit_command(events, member, id, action, status)
return {'fresh', node or '', redis.call('HGETALL', command), now}
