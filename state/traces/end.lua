-- KEYS record trace frames events lease | ARGV kept_ms member -> {'ended', node} | {'over'}
local t = redis.call('HMGET', KEYS[2], 'id', 'until_ms', 'ended')
local now = now_ms()
if not t[1] or t[3] or now >= tonumber(t[2]) then return {'over'} end
redis.call('HSET', KEYS[2], 'ended', 'stopped', 'ended_ms', now)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[1], 'trace')
emit(KEYS[4], ARGV[2], 'trace.ended', '{"trace":"' .. t[1] .. '","why":"stopped"}')
return {'ended', redis.call('HGET', KEYS[5], 'node') or ''}
