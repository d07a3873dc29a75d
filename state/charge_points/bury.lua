-- KEYS buried transactions open_transactions transaction values | ARGV listed -> {'buried'}
for set = 1, 3 do redis.call('ZREM', KEYS[set], ARGV[1]) end
redis.call('UNLINK', KEYS[4], KEYS[5])
return {'buried'}
