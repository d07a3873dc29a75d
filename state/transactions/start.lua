-- Store a start with its answer under the proposed id, once for each fingerprint.
-- KEYS lease held events record starts open transaction history transactions open_transactions reservations expected
-- running
-- | ARGV epoch holder member id fingerprint plausible connector pointer listed event reservation superseding fields...
-- -> {'started', fence, clock_fault, superseded, awaited} | {'seen', fence, id}
-- | {'again', fence, id, pointer}
-- WITH reservations transactions
-- The caller proposes the id and the transaction that runs on the connector (`running`), because their keys must be
-- declared. 'again' comes with the right ones. `awaited` is 1 if a remote start waits for its transaction, which may be
-- this one. `superseding` is the event about the running transaction, which may still be open.
local f, proposed = fence(lease, held, events, epoch, holder, member), tonumber(id)
local seen, stopped = string.match(redis.call('HGET', starts, fingerprint) or '', START)
-- A charge point whose clock is stuck sends the same start for its next transaction too.
local fault = stopped == STOPPED and plausible == '0'
if seen and not fault then return {'seen', f, seen} end
local last = tonumber(redis.call('HGET', record, 'last_transaction_id') or '0')
local right = math.max(last + 1, math.floor(now_ms() / 1000) - FIRST_SECOND)
local taken = redis.call('EXISTS', transaction) == 1
if taken then right = math.max(right, proposed + 1) end
-- A start on an unknown connector sets no pointer, so it supersedes nothing.
local superseded = f == 'ok' and connector ~= '' and redis.call('HGET', open, connector) or ''
local other = superseded ~= '' and string.match(superseded, OPEN_ID) ~= string.match(running, '%d+$')
if taken or other or proposed <= last or proposed < right - TOLERANCE_S then return {'again', f, right, superseded} end
redis.call('HSET', record, 'last_transaction_id', id)
redis.call('HSET', transaction, 'listed', listed, unpack(fields))
redis.call('HSET', starts, fingerprint, id)
redis.call('ZADD', history, 0, listed)
redis.call('ZADD', transactions, 0, listed)
redis.call('ZADD', open_transactions, 0, listed)
if f == 'ok' and connector ~= '' then redis.call('HSET', open, connector, pointer) end
-- The hold of the superseded transaction is released after this step, and again if the start is repeated.
if superseded ~= '' then redis.call('HSET', transaction, 'superseded', superseded) end
emit(events, member, 'transaction.started', event)
if superseded ~= '' and redis.call('HEXISTS', running, 'listed') == 1 then
  redis.call('HSET', running, 'superseded_by', id, 'superseded_ms', now_ms())
  emit(events, member, 'transaction.superseded', superseding)
end
if reservation ~= '' then use_reservation(reservations, events, member, reservation, id, event) end
return {'started', f, fault and '1' or '0', superseded, redis.call('EXISTS', expected) == 1 and '1' or '0'}
