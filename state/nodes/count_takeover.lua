-- Count a takeover, after the node of the former holder has found that its session was still open.
-- KEYS lease | ARGV former_holder window_ms -> {'counted'} | {'not_held'}
local holder, count, since = unpack(redis.call('HMGET', lease, 'holder', 'takeovers', 'takeovers_since'))
if not holder or holder == '' or holder == former_holder then return {'not_held'} end
local now = now_ms()
count, since = tonumber(count or '0'), tonumber(since or '0')
if now < since or now - since >= tonumber(window_ms) then count, since = 0, now end
redis.call('HSET', lease, 'takeovers', count + 1, 'takeovers_since', since)
return {'counted'}
