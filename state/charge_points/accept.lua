-- KEYS record | ARGV registration -> {'accepted'} | {'unknown'}
if redis.call('HEXISTS', KEYS[1], 'registered_ms') == 0 then return {'unknown'} end
redis.call('HSET', KEYS[1], 'registration', ARGV[1])
return {'accepted'}
