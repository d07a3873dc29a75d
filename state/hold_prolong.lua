-- KEYS holds | ARGV member until_ms -> {'held'} | {'none'}
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {'none'} end
redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[2], ARGV[1])
redis.call('PEXPIREAT', KEYS[1], redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
return {'held'}
