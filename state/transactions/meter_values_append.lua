-- Store the values of a MeterValues once, with their transaction or among the strays.
-- KEYS lease held events transaction values packed stray stray_counts open
-- | ARGV epoch holder member transaction_id connector data compact received_ms
-- -> {'kept' | 'stray' | 'repeated' | 'packed', fence}
-- WITH unmatched
-- The stored message is itself the field of the hash, so an exact repeat finds it, however late the repeat comes.
-- 'packed' means that nothing was stored, and that the caller must send the message with its digest.
local f, outcome, new = fence(lease, held, events, epoch, holder, member), 'kept', nil
local known = redis.call('EXISTS', transaction, packed)
if known == 2 then return {'packed', f} end
if known == 1 then
  new = redis.call('HSETNX', values, compact, received_ms)
else
  local running = transaction_id == '' and redis.call('HEXISTS', open, connector) == 1
  outcome, new = 'stray', keep_stray(stray, stray_counts, transaction_id, compact, received_ms, running)
end
if new == 0 then return {'repeated', f} end
emit(events, member, 'meter_values', data)
return {outcome, f}
