-- KEYS tokens token_ids | ARGV id -> {'revoked'} | {'unknown'}
redis.call('ZREM', KEYS[2], ARGV[1])
return {redis.call('HDEL', KEYS[1], 'token:' .. ARGV[1]) == 1 and 'revoked' or 'unknown'}
