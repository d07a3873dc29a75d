-- Return a reservation id that was never used for this charge point.
-- KEYS record reservations -> {'free', id} | {'gone'}
-- Ids follow the clock, as transaction ids do, so a wiped store returns no id that the charge point may still
-- have.
if redis.call('HEXISTS', record, 'registered_ms') == 0 then return {'gone'} end
local FIRST_SECOND = 1735689600 -- 2025-01-01
local last = tonumber(redis.call('HGET', record, 'last_reservation_id') or '0')
local id = math.max(last + 1, math.floor(now_ms() / 1000) - FIRST_SECOND)
while redis.call('HEXISTS', reservations, id) == 1 do id = id + 1 end
redis.call('HSET', record, 'last_reservation_id', id)
return {'free', id}
