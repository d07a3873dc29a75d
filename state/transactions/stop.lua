-- Store a stop with its answer once, with its transaction, or among the orphans if the transaction is unknown.
-- KEYS lease held events starts open orphans order transaction values stray stray_counts open_transactions profiles
-- | ARGV epoch holder member id digest orphan event compact received_ms fields...
-- -> {'stopped' | 'replayed', fence, connector, tag, fingerprint, answer, meter, ms}
-- | {'orphaned' | 'contradicts', fence} | {'orphan_replayed', fence, orphan}
-- WITH charging_profiles transactions unmatched
-- A stop ends only a transaction that exists. The fingerprint is empty if a later start has the same fingerprint.
local f = fence(lease, held, events, epoch, holder, member)
local connector, tag, fingerprint, answer, listed, meter, ms, stored, ended = unpack(redis.call('HMGET', transaction,
  'connector', 'tag', 'fingerprint', 'stop_answer', 'listed', 'meter', 'ms', 'stop_digest', 'end_ms'))
connector, meter = connector or '', meter or ''
-- Only the first stop also drops the TxProfiles of the connector that have no transaction. When a stop is
-- repeated, or comes after an operator's end, these profiles may belong to a later transaction.
drop_tx_profiles(profiles, id, not (answer or ended) and connector)
local contradicts = answer and stored and stored ~= digest
if not listed or contradicts then
  local known = redis.call('HGET', orphans, digest)
  if known then return {'orphan_replayed', f, known} end
  keep_orphan(orphans, order, digest, received_ms .. (contradicts and '! ' or ' ') .. orphan, received_ms)
  if compact ~= '' then keep_stray(stray, stray_counts, id, compact, received_ms) end
  if contradicts then redis.call('HINCRBY', transaction, 'contradicted', 1) end
  emit(events, member, 'transaction.orphan_stop', event)
  return {contradicts and 'contradicts' or 'orphaned', f}
end
if compact ~= '' then redis.call('HSETNX', values, compact, received_ms) end
local own = own_fingerprint(starts, fingerprint, id)
if answer then return {'replayed', f, connector, tag, own, answer, meter, ms} end
redis.call('HSET', transaction, unpack(fields))
if own ~= '' then redis.call('HSET', starts, fingerprint, id .. STOPPED) end
redis.call('ZREM', open_transactions, listed)
-- Even a stop from a session without the lease clears the pointer, because a pointer to a stopped transaction
-- is always wrong.
local pointer = redis.call('HGET', open, connector) or ''
if string.match(pointer, OPEN_ID) == id then redis.call('HDEL', open, connector) end
emit(events, member, 'transaction.stopped', event)
return {'stopped', f, connector, tag, own, redis.call('HGET', transaction, 'stop_answer'), meter, ms}
