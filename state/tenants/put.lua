-- KEYS tokens | ARGV fields... -> {'created'} | {'changed'}
local new = redis.call('HSETNX', KEYS[1], 'created_ms', now_ms())
redis.call('HSET', KEYS[1], unpack(ARGV))
return {new == 1 and 'created' or 'changed'}
