-- Store the values of a MeterValues of no known transaction once, among the strays.
-- KEYS lease held events transaction stray stray_counts open
-- | ARGV epoch holder member transaction_id connector data compact received_ms
-- -> {'stray' | 'repeated' | 'known', fence}
-- WITH unmatched
-- 'known' means that nothing was stored, because the transaction is known.
local f = fence(lease, held, events, epoch, holder, member)
if redis.call('EXISTS', transaction) == 1 then return {'known', f} end
local running = transaction_id == '' and redis.call('HEXISTS', open, connector) == 1
if keep_stray(stray, stray_counts, transaction_id, compact, received_ms, running) == 0 then return {'repeated', f} end
emit(events, member, 'meter_values', data)
return {'stray', f}
