-- Store a stop with its answer once, with its transaction, or among the orphans if the transaction is unknown.
-- KEYS lease held events starts open orphans order transaction values packed stray stray_counts open_transactions
-- profiles unpacked completed
-- | ARGV epoch holder member id digest orphan event compact compact_digest received_ms queued fields...
-- -> {'stopped' | 'replayed', fence, connector, tag, fingerprint, answer, meter, ms, no_hold}
-- | {'orphaned' | 'contradicts', fence} | {'orphan_replayed', fence, orphan}
-- WITH charging_profiles completion transactions unmatched values
local connector, tag, fingerprint, answer, listed, meter, ms, free, stored, ended =
  unpack(redis.call('HMGET', transaction, 'connector', 'tag', 'fingerprint', 'stop_answer', 'listed', 'meter', 'ms',
    'no_hold', 'stop_digest', 'end_ms'))
-- The first write of a first stop is ZREM, because a full store refuses a step whose first write may take memory.
if listed and not answer then redis.call('ZREM', open_transactions, listed) end
local f = fence(lease, held, events, epoch, holder, member)
-- Only the first stop also drops the TxProfiles of the connector that have no transaction. When a stop is
-- repeated, or comes after an operator's end, these profiles may belong to a later transaction.
drop_tx_profiles(profiles, id, not (answer or ended) and (connector or ''))
local contradicts = answer and stored and stored ~= digest
if not listed or contradicts then
  local known = redis.call('HGET', orphans, digest)
  if known then return {'orphan_replayed', f, known} end
  keep_orphan(orphans, order, digest, received_ms .. (contradicts and '! ' or ' ') .. orphan, received_ms)
  if compact ~= '' then keep_stray(stray, stray_counts, id, compact, received_ms) end
  if contradicts then redis.call('HINCRBY', transaction, 'contradicted', 1) end
  if contradicts then complete(completed, unpacked, transaction, queued, 'contradicting_stop') end
  emit(events, member, 'transaction.orphan_stop', event)
  return {contradicts and 'contradicts' or 'orphaned', f}
end
local kept = compact ~= '' and keep_values(transaction, values, packed, compact, compact_digest, received_ms)
if answer and kept == 'kept' then redis.call('ZADD', unpacked, now_ms(), queued) end
local own = own_fingerprint(starts, fingerprint, id)
if answer then return {'replayed', f, connector or '', tag, own, answer, meter or '', ms, free or ''} end
redis.call('HSET', transaction, unpack(fields))
complete(completed, unpacked, transaction, queued, ended and 'stop_after_end' or 'stop')
if own ~= '' then redis.call('HSET', starts, fingerprint, id .. STOPPED) end
-- Even a stop from a session without the lease clears the pointer to its transaction, which is always wrong then.
local pointer = redis.call('HGET', open, connector or '') or ''
if string.match(pointer, OPEN_ID) == id then redis.call('HDEL', open, connector) end
emit(events, member, 'transaction.stopped', event)
return {'stopped', f, connector or '', tag, own, redis.call('HGET', transaction, 'stop_answer'), meter or '', ms,
  free or ''}
