-- Store a stop with its answer once, with its transaction, or among the orphans if the transaction is unknown.
-- KEYS lease held events starts open orphans transaction values stray open_transactions profiles
-- | ARGV epoch holder member id digest orphan event compact received_ms fields...
-- -> {'stopped' | 'replayed', fence, connector, tag, fingerprint, answer, meter}
-- | {'orphaned', fence} | {'orphan_replayed', fence, orphan}
-- WITH charging_profiles transactions
-- A stop ends only a transaction that exists. In 'replayed' the fingerprint is empty if a later start has the
-- same fingerprint.
local f = fence(lease, held, events, epoch, holder, member)
local connector, tag, fingerprint, answer, listed, meter = unpack(
  redis.call('HMGET', transaction, 'connector', 'tag', 'fingerprint', 'stop_answer', 'listed', 'meter'))
-- Only the first stop also drops those TxProfiles of the connector that name no transaction. When a stop is
-- repeated, these profiles may belong to a later transaction.
drop_tx_profiles(profiles, id, not answer and connector)
if not connector then
  local known = redis.call('HGET', orphans, digest)
  if known then return {'orphan_replayed', f, known} end
  make_room(orphans)
  redis.call('HSET', orphans, digest, received_ms .. ' ' .. orphan)
  if compact ~= '' then keep_stray(stray, id, compact, received_ms) end
  emit(events, member, 'transaction.orphan_stop', event)
  return {'orphaned', f}
end
if answer then
  local own = redis.call('HGET', starts, fingerprint) == id .. STOPPED
  return {'replayed', f, connector, tag, own and fingerprint or '', answer, meter}
end
redis.call('HSET', transaction, unpack(fields))
redis.call('HSET', starts, fingerprint, id .. STOPPED)
redis.call('ZREM', open_transactions, listed)
-- Even a stop from a session without the lease clears the pointer, because a pointer to a stopped transaction
-- is always wrong.
local pointer = redis.call('HGET', open, connector) or ''
if string.match(pointer, OPEN_ID) == id then redis.call('HDEL', open, connector) end
if compact ~= '' then redis.call('HSETNX', values, compact, received_ms) end
emit(events, member, 'transaction.stopped', event)
return {'stopped', f, connector, tag, fingerprint, redis.call('HGET', transaction, 'stop_answer'), meter}
