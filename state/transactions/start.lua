-- Store a start with its answer under the proposed id, once for each fingerprint.
-- KEYS lease held events record starts open transaction history transactions open_transactions reservations
-- | ARGV epoch holder member id fingerprint plausible connector pointer listed event reservation fields...
-- -> {'started', fence, clock_fault, superseded} | {'seen', fence, id} | {'again', fence, id}
-- WITH reservations transactions
-- The caller proposes the id, because KEYS must contain its key. 'again' comes with the next id to propose.
local FIRST_SECOND, TOLERANCE_S, RESERVATIONS_KEPT = 1735689600, 60, 128 -- FIRST_SECOND is 2025-01-01.
local f, proposed = fence(lease, held, events, epoch, holder, member), tonumber(id)
local seen, stopped = string.match(redis.call('HGET', starts, fingerprint) or '', START)
-- A charge point whose clock is stuck sends the same start for its next transaction too.
local fault = stopped == STOPPED and plausible == '0'
if seen and not fault then return {'seen', f, seen} end
local last = tonumber(redis.call('HGET', record, 'last_transaction_id') or '0')
local right = math.max(last + 1, math.floor(now_ms() / 1000) - FIRST_SECOND)
local taken = redis.call('EXISTS', transaction) == 1
if taken then right = math.max(right, proposed + 1) end
if taken or proposed <= last or proposed < right - TOLERANCE_S then return {'again', f, right} end
redis.call('HSET', record, 'last_transaction_id', id)
redis.call('HSET', transaction, 'listed', listed, unpack(fields))
redis.call('HSET', starts, fingerprint, id)
redis.call('ZADD', history, 0, listed)
redis.call('ZADD', transactions, 0, listed)
redis.call('ZADD', open_transactions, 0, listed)
local superseded = ''
if f == 'ok' then
  superseded = redis.call('HGET', open, connector) or ''
  redis.call('HSET', open, connector, pointer)
end
emit(events, member, 'transaction.started', event)
-- The named reservation becomes used, even if it is over. An unknown id is stored for reservation_made.lua.
if reservation ~= '' then
  local now, known = now_ms(), redis.call('HGET', reservations, reservation)
  local r = known and read_reservation(known) or {made_ms = now, until_ms = 0, command = '-', asked = ''}
  if r.state ~= 'used' and (known or redis.call('HLEN', reservations) < RESERVATIONS_KEPT) then
    r.state, r.ended_ms, r.transaction = 'used', now, id
    redis.call('HSET', reservations, reservation, write_reservation(r))
    emit(events, member, 'reservation.used', event)
  end
end
return {'started', f, fault and '1' or '0', superseded}
