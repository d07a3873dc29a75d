-- Store the values of a MeterValues like meter_values_append, but also compare them with the packed ones, and with what
-- the transaction may have, and take back a lease.
-- KEYS lease held events transaction values packed unpacked
-- | ARGV epoch holder member queued data compact received_ms digest
-- -> {'kept', fence, left} | {'repeated' | 'dropped' | 'unknown', fence}
-- WITH values
-- `left` is how many more messages may come unchecked, which is none once messages are packed. 'unknown' means that the
-- values are strays.
local f = fence(lease, held, events, epoch, holder, member)
if redis.call('EXISTS', transaction) == 0 then return {'unknown', f} end
local outcome, left = keep_values(transaction, values, packed, compact, digest, received_ms)
if outcome ~= 'kept' then return {outcome, f} end
if redis.call('EXISTS', packed) == 1 then
  redis.call('ZADD', unpacked, now_ms(), queued)
  left = 0
end
emit(events, member, 'meter_values', data)
return {outcome, f, tostring(left)}
