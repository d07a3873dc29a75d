-- Change a charge point's record, and register the charge point if it is new.
-- KEYS record charge_points events | ARGV member id fields... -> {'created'} | {'changed'}
local new = redis.call('HEXISTS', record, 'registered_ms') == 0
if new then register(record, charge_points, events, member, id, false) end
redis.call('HSET', record, unpack(fields))
return {new and 'created' or 'changed'}
