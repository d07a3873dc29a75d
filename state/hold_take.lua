-- Take one of the `maximum` holds of an id tag, or extend the hold that `member` already has.
-- KEYS holds | ARGV member maximum until_ms void -> {'held'} | {'full'}
redis.call('ZREMRANGEBYSCORE', holds, '-inf', now_ms())
if void ~= '' and void ~= member then redis.call('ZREM', holds, void) end -- Only the same driver may void a hold.
local again = redis.call('ZSCORE', holds, member)
if not again and redis.call('ZCARD', holds) >= tonumber(maximum) then return {'full'} end
redis.call('ZADD', holds, 'GT', until_ms, member)
redis.call('PEXPIREAT', holds, redis.call('ZRANGE', holds, -1, -1, 'WITHSCORES')[2])
return {'held'}
