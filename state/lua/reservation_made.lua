-- KEYS reservations command events | ARGV member id command until_ms asked data -> {'made'} | {'used'} | {'again'}
-- A start may name it before the answer to ReserveNow is stored: then it is used already.
local known = redis.call('HGET', KEYS[1], ARGV[2]) or ''
local state, ended, transaction, by = string.match(known, '^(%a+) %d+ %d+ (%d+) (%S+) (%S+)\n')
if by == ARGV[3] then return {'again'} end
local sent = tonumber(redis.call('HGET', KEYS[2], 'sent_ms')) or math.huge
local used = state == 'used' and tonumber(ended) >= sent
local head = {'active', now_ms(), ARGV[4], 0, '-', ARGV[3]}
if used then head[1], head[4], head[5] = 'used', ended, transaction end
keep_reservation(KEYS[1], ARGV[2], table.concat(head, ' ') .. '\n' .. ARGV[5])
emit(KEYS[3], ARGV[1], 'reservation.made', ARGV[6])
return {used and 'used' or 'made'}
