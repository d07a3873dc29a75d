-- KEYS command pending overdue events lease
-- | ARGV member id action payload body ttl_ms kept_ms limit reply_to
-- -> {'fresh', node, {field, value, ...}} | {'known', '', {field, value, ...}} | {'conflict'}
-- The three first statuses of command_table.py: `queued`, `offline` (nobody holds the lease), `busy` (pending is full).
local body = redis.call('HGET', KEYS[1], 'body')
if body and body ~= ARGV[5] then return {'conflict'} end
if body then return {'known', '', redis.call('HGETALL', KEYS[1])} end
local lease = redis.call('HMGET', KEYS[5], 'holder', 'node')
local status = 'queued'
if not lease[1] or lease[1] == '' then
  status = 'offline'
elseif redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[8]) then
  status = 'busy'
end
local now = now_ms()
local deadline = now + ARGV[6]
redis.call('HSET', KEYS[1], 'of', ARGV[1], 'action', ARGV[3], 'payload', ARGV[4], 'body', ARGV[5],
  'reply_to', ARGV[9], 'status', status, 'created_ms', now, 'deadline_ms', deadline)
if status == 'queued' then
  redis.call('PEXPIRE', KEYS[1], ARGV[6] + ARGV[7])
  redis.call('RPUSH', KEYS[2], ARGV[2])
  redis.call('ZADD', KEYS[3], deadline, ARGV[2] .. ' ' .. ARGV[1])
else
  redis.call('HSET', KEYS[1], 'settled_ms', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
end
emit_command(KEYS[4], ARGV[1], ARGV[2], ARGV[3], status)
return {'fresh', lease[2] or '', redis.call('HGETALL', KEYS[1])}
