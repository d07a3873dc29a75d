-- KEYS record charge_points events | ARGV member id fields... -> {'created'} | {'changed'}
local new = redis.call('HEXISTS', KEYS[1], 'registered_ms') == 0
if new then register(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], false) end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return {new and 'created' or 'changed'}
