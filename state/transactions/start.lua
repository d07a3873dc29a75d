-- KEYS lease held events record starts open transaction history transactions open_transactions reservations
-- | ARGV epoch holder member id fingerprint plausible connector pointer listed data
--   reservation fields...
-- -> {'started', fence, clock_fault, superseded} | {'seen', fence, id} | {'again', fence, id}
-- The id is proposed, as its key must be declared; 'again' says which one would be right.
local FIRST_SECOND, TOLERANCE_S = 1735689600, 60 -- 2025-01-01
local f, id = fence(), tonumber(ARGV[4])
local seen, stopped = string.match(redis.call('HGET', KEYS[5], ARGV[5]) or '', '^(%d+)(!?)$')
-- A clock that stands still sends the same start for the next charge too.
local fault = stopped == '!' and ARGV[6] == '0'
if seen and not fault then return {'seen', f, seen} end
local last = tonumber(redis.call('HGET', KEYS[4], 'last_transaction_id') or '0')
local right = math.max(last + 1, math.floor(now_ms() / 1000) - FIRST_SECOND)
local taken = redis.call('EXISTS', KEYS[7]) == 1
if taken then right = math.max(right, id + 1) end
if taken or id <= last or id < right - TOLERANCE_S then return {'again', f, right} end
redis.call('HSET', KEYS[4], 'last_transaction_id', ARGV[4])
redis.call('HSET', KEYS[7], 'listed', ARGV[9], unpack(ARGV, 12))
redis.call('HSET', KEYS[5], ARGV[5], ARGV[4])
for set = 8, 10 do redis.call('ZADD', KEYS[set], 0, ARGV[9]) end
local superseded = ''
if f == 'ok' then
  superseded = redis.call('HGET', KEYS[6], ARGV[7]) or ''
  redis.call('HSET', KEYS[6], ARGV[7], ARGV[8])
end
emit(KEYS[3], ARGV[3], 'transaction.started', ARGV[10])
-- What names a reservation uses it, whatever we believe of it; an unknown one is noted: reservation_made.lua.
if ARGV[11] ~= '' then
  local now, known = now_ms(), redis.call('HGET', KEYS[11], ARGV[11])
  local made, until_ms, asked = string.match(known or '', '^[^u]%a+ (%d+) (%d+) %d+ %S+ (.*)$')
  if not known and redis.call('HLEN', KEYS[11]) < 128 then made, until_ms, asked = now, 0, '-\n' end
  if made then
    redis.call('HSET', KEYS[11], ARGV[11], table.concat({'used', made, until_ms, now, ARGV[4], asked}, ' '))
    emit(KEYS[3], ARGV[3], 'reservation.used', ARGV[10])
  end
end
return {'started', f, fault and '1' or '0', superseded}
