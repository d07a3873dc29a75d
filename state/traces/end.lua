-- End a trace that is running.
-- KEYS record trace frames events lease | ARGV kept_ms member -> {'ended', node} | {'over'}
local id, until_ms, ended = unpack(redis.call('HMGET', trace, 'id', 'until_ms', 'ended'))
local now = now_ms()
if not id or ended or now >= tonumber(until_ms) then return {'over'} end
redis.call('HSET', trace, 'ended', 'stopped', 'ended_ms', now)
redis.call('PEXPIRE', trace, kept_ms)
redis.call('PEXPIRE', frames, kept_ms)
redis.call('HDEL', record, 'trace')
emit(events, member, 'trace.ended', '{"trace":"' .. id .. '","why":"stopped"}')
return {'ended', redis.call('HGET', lease, 'node') or ''}
