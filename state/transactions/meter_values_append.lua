-- Store the values of a MeterValues once, with their transaction or among the strays.
-- KEYS lease held events transaction values stray stray_counts open
-- | ARGV epoch holder member transaction_id connector data compact received_ms
-- -> {'kept' | 'stray' | 'repeated', fence}
-- WITH unmatched
-- The stored message is itself the field of the hash, so an exact repeat finds it, however late the repeat comes.
local f, outcome, new = fence(lease, held, events, epoch, holder, member), 'kept', nil
if redis.call('EXISTS', transaction) == 1 then
  new = redis.call('HSETNX', values, compact, received_ms)
else
  local running = transaction_id == '' and redis.call('HEXISTS', open, connector) == 1
  outcome, new = 'stray', keep_stray(stray, stray_counts, transaction_id, compact, received_ms, running)
end
if new == 0 then return {'repeated', f} end
emit(events, member, 'meter_values', data)
return {outcome, f}
