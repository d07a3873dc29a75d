-- KEYS tokens | ARGV name auto_register -> {'created'} | {'changed'}
local new = redis.call('HSETNX', KEYS[1], 'created_ms', now_ms())
redis.call('HSET', KEYS[1], 'name', ARGV[1], 'auto_register', ARGV[2])
return {new == 1 and 'created' or 'changed'}
