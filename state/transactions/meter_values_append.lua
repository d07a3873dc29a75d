-- Store the values of a MeterValues message once, with their transaction, or among the stray values if the
-- transaction is unknown.
-- KEYS lease held events transaction values stray | ARGV epoch holder member transaction_id data compact received_ms
-- -> {'kept' | 'stray' | 'repeated', fence}
-- The message itself is the name of a field of the hash, so an exact repeat finds that field, however late it
-- comes.
local f, outcome, new = fence(lease, held, events, epoch, holder, member), 'kept', nil
if redis.call('EXISTS', transaction) == 1 then
  new = redis.call('HSETNX', values, compact, received_ms)
else
  outcome, new = 'stray', keep_stray(stray, transaction_id, compact, received_ms)
end
if new == 0 then return {'repeated', f} end
emit(events, member, 'meter_values', data)
return {outcome, f}
