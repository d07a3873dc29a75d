-- Set the deadline of a command that has not ended again, because the server's clock was set.
-- KEYS command overdue waiting | ARGV id member seen_ms left_ms -> {'anchored'} | {'changed'}
-- `seen_ms` is the deadline from which the caller has computed `left_ms`. `anchored_ms` is the time at which the
-- deadline was set, so the rest of the time stays known if the clock is set again.
local of, status, deadline_ms = unpack(redis.call('HMGET', command, 'of', 'status', 'deadline_ms'))
local waits = status == 'waiting' or status == 'queued' or status == 'sent'
if of ~= member or deadline_ms ~= seen_ms or not waits then return {'changed'} end
local now = now_ms()
redis.call('HSET', command, 'deadline_ms', now + left_ms, 'anchored_ms', now)
if status == 'waiting' then redis.call('HSET', command, 'waits_until_ms', now + left_ms) end
redis.call('ZADD', status == 'waiting' and waiting or overdue, 'XX', now + left_ms, id .. ' ' .. member)
return {'anchored'}
