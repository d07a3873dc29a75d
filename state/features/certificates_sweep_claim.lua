-- Take the turn to examine the certificates of a tenant, if the last turn is long enough ago.
-- KEYS swept | ARGV tenant pause_ms -> {'claimed', last, now} | {'early'}
local now = now_ms()
local last = tonumber(redis.call('HGET', swept, tenant) or '0')
-- A last turn in the future means that the clock was set back.
if last <= now and now - last < tonumber(pause_ms) then return {'early'} end
redis.call('HSET', swept, tenant, now)
return {'claimed', last, now}
