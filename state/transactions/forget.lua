-- KEYS starts history transactions transaction values | ARGV id finished_before_ms
-- -> {'forgotten'} | {'unknown'} | {'open'} | {'young'}
local t = redis.call('HMGET', KEYS[4], 'fingerprint', 'stop_received_ms', 'listed')
if not t[1] then return {'unknown'} end
if not t[2] then return {'open'} end
if tonumber(t[2]) >= tonumber(ARGV[2]) then return {'young'} end
if redis.call('HGET', KEYS[1], t[1]) == ARGV[1] .. '!' then redis.call('HDEL', KEYS[1], t[1]) end
redis.call('ZREM', KEYS[2], t[3])
redis.call('ZREM', KEYS[3], t[3])
redis.call('UNLINK', KEYS[4], KEYS[5])
return {'forgotten'}
