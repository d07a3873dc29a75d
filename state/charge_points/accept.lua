-- Set the status with which csms answers the next BootNotifications of a registered charge point.
-- KEYS record | ARGV registration -> {'accepted'} | {'unknown'}
if redis.call('HEXISTS', record, 'registered_ms') == 0 then return {'unknown'} end
redis.call('HSET', record, 'registration', registration)
return {'accepted'}
