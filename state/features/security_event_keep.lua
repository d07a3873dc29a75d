-- Store a security event once, and keep only the latest `kept` events.
-- KEYS security_events evicted events charge_point lease | ARGV member event received_ms kept data
-- -> {'kept' | 'again' | 'gone'}
-- WITH deletion
if deleted(charge_point, lease) then return {'gone'} end
-- The score is in thousandths of a millisecond, so that events of the same millisecond keep their order.
local place = received_ms * 1000
place = place + redis.call('ZCOUNT', security_events, place, place + 999)
if redis.call('ZADD', security_events, 'NX', string.format('%.0f', place), event) == 0 then return {'again'} end
local gone = redis.call('ZREMRANGEBYRANK', security_events, 0, -tonumber(kept) - 1)
if gone > 0 then redis.call('INCRBY', evicted, gone) end
emit(events, member, 'security_event', data)
return {'kept'}
