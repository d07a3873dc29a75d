-- Create a tenant or change its fields.
-- KEYS tokens | ARGV fields... -> {'created'} | {'changed'}
local new = redis.call('HSETNX', tokens, 'created_ms', now_ms())
redis.call('HSET', tokens, unpack(fields))
return {new == 1 and 'created' or 'changed'}
