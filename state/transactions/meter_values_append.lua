-- Keep a MeterValues once, with its transaction or among the strays.
-- KEYS lease held events transaction values stray | ARGV epoch holder member transaction_id data compact received_ms
-- -> {'kept' | 'stray' | 'repeated', fence}
-- What has been stored is the field itself: an exact repeat finds it there, whenever it comes.
local f, outcome, new = fence(lease, held, events, epoch, holder, member), 'kept', nil
if redis.call('EXISTS', transaction) == 1 then
  new = redis.call('HSETNX', values, compact, received_ms)
else
  outcome, new = 'stray', keep_stray(stray, transaction_id, compact, received_ms)
end
if new == 0 then return {'repeated', f} end
emit(events, member, 'meter_values', data)
return {outcome, f}
