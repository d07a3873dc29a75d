-- KEYS record configuration configuration_pending | ARGV reboot limit field entry -> {'changed' | 'full' | 'gone'}
-- With `reboot` '1' it counts from the next boot (charge_point_boot.lua), else at once.
if redis.call('HEXISTS', KEYS[1], 'registered_ms') == 0 then return {'gone'} end
local into = ARGV[1] == '1' and KEYS[3] or KEYS[2]
if redis.call('HEXISTS', into, ARGV[3]) == 0
    and redis.call('HLEN', KEYS[2]) + redis.call('HLEN', KEYS[3]) >= tonumber(ARGV[2]) then
  return {'full'}
end
redis.call('HSET', into, ARGV[3], ARGV[4])
if into == KEYS[2] then redis.call('HDEL', KEYS[3], ARGV[3]) end
return {'changed'}
