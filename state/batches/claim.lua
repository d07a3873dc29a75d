-- Take a batch on which no living process works.
-- KEYS batch | ARGV runner lease_ms -> {'claimed', now_ms, {field, value, ...}} | {'held'} | {'gone'}
local phase, holder, until_ms = unpack(redis.call('HMGET', batch, 'phase', 'runner', 'until_ms'))
if phase ~= 'running' and phase ~= 'cancelling' then return {'gone'} end
local now = now_ms()
local left = tonumber(until_ms or '0') - now
-- If the clock was set back, the lease would seem to last longer than any lease does.
if holder and holder ~= runner and left > 0 and left <= tonumber(lease_ms) then return {'held'} end
redis.call('HSET', batch, 'runner', runner, 'until_ms', now + lease_ms)
return {'claimed', now, redis.call('HGETALL', batch)}
