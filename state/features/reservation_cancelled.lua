-- KEYS reservations events | ARGV member id data -> {'cancelled'} | {'not_active'}
-- One that expired by our clock may still have stood by the charge point's.
local known = redis.call('HGET', KEYS[1], ARGV[2]) or ''
local made, until_ms, asked = string.match(known, '^active (%d+) (%d+) %d+ %S+ (.*)$')
if not made then return {'not_active'} end
redis.call('HSET', KEYS[1], ARGV[2], table.concat({'cancelled', made, until_ms, now_ms(), '-', asked}, ' '))
emit(KEYS[2], ARGV[1], 'reservation.cancelled', ARGV[3])
return {'cancelled'}
