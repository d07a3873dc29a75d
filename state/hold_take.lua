-- KEYS holds | ARGV member maximum until_ms -> {'held'} | {'full'}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms())
local again = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not again and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return {'full'} end
redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[1])
redis.call('PEXPIREAT', KEYS[1], redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
return {'held'}
