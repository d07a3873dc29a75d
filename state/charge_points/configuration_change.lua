-- Store one configuration key that the charge point agreed to change.
-- KEYS record configuration configuration_pending | ARGV reboot limit field entry -> {'changed' | 'full' | 'gone'}
-- WITH since
-- If `reboot` is '1', the change takes effect at the next boot (boot.lua), otherwise at once. A change that waits has
-- the time since which a change of its key waits.
if redis.call('HEXISTS', record, 'registered_ms') == 0 then return {'gone'} end
local into = reboot == '1' and configuration_pending or configuration
if redis.call('HEXISTS', into, field) == 0
    and redis.call('HLEN', configuration) + redis.call('HLEN', configuration_pending) >= tonumber(limit) then
  return {'full'}
end
if reboot == '1' then entry = with_since(entry, redis.call('HGET', configuration_pending, field)) end
redis.call('HSET', into, field, entry)
if into == configuration then redis.call('HDEL', configuration_pending, field) end
return {'changed'}
