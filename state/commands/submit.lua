-- Record a new command, and queue it for the session that holds the charge point.
-- KEYS command pending overdue events lease record recent failed_starts
-- | ARGV member id action payload body ttl_ms kept_ms limit reply_to sealed by
-- -> {'fresh', node, {field, value, ...}, now_ms} | {'known', '', {field, value, ...}, now_ms} | {'conflict'}
-- The first status is 'queued', 'offline' (no session holds the lease) or 'busy' (`pending` is full). `sealed` is the
-- encrypted payload of a command with a secret, and `payload` then the masked one, which no gateway may send. So it is
-- not stored under the name from which old gateways send. `by` is the id of the API key, or empty.
-- WITH deletion recent_commands failed_starts
local known = redis.call('HGET', command, 'body')
if known and known ~= body then return {'conflict'} end
if known then return {'known', '', redis.call('HGETALL', command), now_ms()} end
local holder, node = unpack(redis.call('HMGET', lease, 'holder', 'node'))
local status = 'queued'
if not holder or holder == '' then
  status = 'offline'
elseif redis.call('LLEN', pending) >= tonumber(limit) then
  status = 'busy'
end
local now = now_ms()
local deadline = now + ttl_ms
if sealed ~= '' then
  redis.call('HSET', command, 'masked', payload)
  payload = '{"sealed":true}'
end
redis.call('HSET', command, 'of', member, 'action', action, 'payload', payload, 'body', body,
  'reply_to', reply_to, 'status', status, 'created_ms', now, 'deadline_ms', deadline)
if status == 'queued' then
  redis.call('PEXPIRE', command, ttl_ms + kept_ms)
  redis.call('RPUSH', pending, id)
  redis.call('ZADD', overdue, deadline, id .. ' ' .. member)
  if sealed ~= '' then redis.call('HSET', command, 'sealed', sealed) end
else
  redis.call('HSET', command, 'settled_ms', now)
  redis.call('PEXPIRE', command, kept_ms)
  if action == 'RemoteStartTransaction' then note_failed_start(failed_starts, id, now) end
end
if by ~= '' then redis.call('HSET', command, 'by', by) end
if not deleted(record, lease) then list_command(recent, now, id) end
emit_command(events, member, id, action, status)
return {'fresh', node or '', redis.call('HGETALL', command), now}
