-- End an active reservation that the charge point cancelled.
-- KEYS reservations events | ARGV member id data -> {'cancelled'} | {'not_active'}
-- WITH reservations
-- A reservation that expired by our clock may still have been active by the charge point's clock.
local known = read_reservation(redis.call('HGET', reservations, id) or '')
if known.state ~= 'active' then return {'not_active'} end
known.state, known.ended_ms, known.transaction = 'cancelled', now_ms(), '-'
redis.call('HSET', reservations, id, write_reservation(known))
emit(events, member, 'reservation.cancelled', data)
return {'cancelled'}
