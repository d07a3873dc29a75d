-- KEYS vendors | ARGV folded record limit -> {'created' | 'changed' | 'full'}
local known = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
if not known and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return {'full'} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return {known and 'changed' or 'created'}
