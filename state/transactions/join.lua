-- Store an orphaned stop as the stop of a transaction, for an operator.
-- KEYS transaction starts open open_transactions orphans lease connectors profiles events unpacked completed
-- | ARGV id member force event queued digest before after fields...
-- -> {'joined', tag, fingerprint} | {'stopped'} | {'charging', status} | {'unknown'} | {'changed'}
-- WITH charging_profiles completion still_charging transactions
-- The orphan is stored as `before`, and then as `after`, which names the transaction, so that a repeated stop gets the
-- same answer. 'changed' means that the orphan is not as it was read. The fingerprint is empty if a later start has the
-- same fingerprint.
local listed, connector, tag, fingerprint, stopped, ended = unpack(redis.call('HMGET', transaction,
  'listed', 'connector', 'tag', 'fingerprint', 'stop_answer', 'end_ms'))
if not listed then return {'unknown'} end
if stopped then return {'stopped'} end
if redis.call('HGET', orphans, digest) ~= before then return {'changed'} end
local running = string.match(connector and redis.call('HGET', open, connector) or '', OPEN_ID)
local status = force == '0' and not ended and still_charging(lease, connectors, connector, running, id)
if status then return {'charging', status} end
-- The first write is ZREM, because a full store refuses a step whose first write may take memory.
redis.call('ZREM', open_transactions, listed)
redis.call('HSET', transaction, unpack(fields))
redis.call('HSET', orphans, digest, after)
complete(completed, unpacked, transaction, queued, 'joined_stop')
local own = own_fingerprint(starts, fingerprint, id)
if own ~= '' then redis.call('HSET', starts, fingerprint, id .. STOPPED) end
if running == id then redis.call('HDEL', open, connector) end
-- TxProfiles of the connector that have no transaction may belong to a later transaction.
drop_tx_profiles(profiles, id, running == id and connector)
emit(events, member, 'transaction.stop_joined', event)
return {'joined', tag, own}
