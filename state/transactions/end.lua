-- End an open transaction for an operator or a policy, because its StopTransaction did not come.
-- KEYS transaction starts open open_transactions lease connectors profiles events unpacked completed
-- | ARGV id member force event queued fields...
-- -> {'ended' | 'again', tag, fingerprint} | {'stopped'} | {'charging', status} | {'unknown'}
-- WITH charging_profiles completion still_charging transactions
-- The fingerprint is empty if a later start has the same fingerprint. 'again' means that an operator has ended
-- the transaction before.
local listed, connector, tag, fingerprint, stopped, ended = unpack(redis.call('HMGET', transaction,
  'listed', 'connector', 'tag', 'fingerprint', 'stop_answer', 'end_ms'))
if not listed then return {'unknown'} end
if stopped then return {'stopped'} end
local own = own_fingerprint(starts, fingerprint, id)
if ended then return {'again', tag, own} end
local running = string.match(connector and redis.call('HGET', open, connector) or '', OPEN_ID)
local status = force == '0' and still_charging(lease, connectors, connector, running, id)
if status then return {'charging', status} end
-- The first write is ZREM, because a full store refuses a step whose first write may take memory.
redis.call('ZREM', open_transactions, listed)
redis.call('HSET', transaction, unpack(fields))
complete(completed, unpacked, transaction, queued, 'end')
if own ~= '' then redis.call('HSET', starts, fingerprint, id .. STOPPED) end
if running == id then redis.call('HDEL', open, connector) end
-- TxProfiles of the connector that have no transaction may belong to a later transaction.
drop_tx_profiles(profiles, id, running == id and connector)
emit(events, member, 'transaction.ended', event)
return {'ended', tag, own}
