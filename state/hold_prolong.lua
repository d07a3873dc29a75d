-- Prolong a hold if it still exists.
-- KEYS holds | ARGV member until_ms -> {'held'} | {'none'}
if not redis.call('ZSCORE', holds, member) then return {'none'} end
redis.call('ZADD', holds, 'XX', 'GT', until_ms, member)
redis.call('PEXPIREAT', holds, redis.call('ZRANGE', holds, -1, -1, 'WITHSCORES')[2])
return {'held'}
