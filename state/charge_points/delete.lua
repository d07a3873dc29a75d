-- Delete a charge point, and take the lease from its session, unless one of its transactions is open.
-- KEYS lease held events record charge_points history open_transactions buried seen others...
-- | ARGV node member id reason tombstone_ms purge event read...
-- -> {'deleted'} | {'unknown'} | {'again', node} | {'changed'} | {'open', number, listed}
-- `listed` names the open transaction that began first. `read` has names and values of fields of the record. If one of
-- them has another value, where an empty text stands for none, nothing is deleted.
-- The lease is kept for a while with the next epoch. So every later step of the old session returns 'newer',
-- and the session closes. If `purge` is '1', transactions are moved to `buried`, so that a new charge point with this
-- id can be registered at once. Otherwise they stay, and the record keeps the last transaction id for as long.
-- The first write is ZREM, because a full store refuses a step whose first write may take memory.
for i = 1, #read, 2 do
  if (redis.call('HGET', record, read[i]) or '') ~= read[i + 1] then return {'changed'} end
end
local running = redis.call('ZINTER', 2, history, open_transactions)
if running[1] then return {'open', #running, running[1]} end
local holder, holding_node = unpack(redis.call('HMGET', lease, 'holder', 'node'))
if holder and holder ~= '' and holding_node ~= node then return {'again', holding_node} end
redis.call('ZREM', charge_points, id)
if holder and holder ~= '' then vacate(lease, held, events, member, reason) end
if holder then
  redis.call('HINCRBY', lease, 'epoch', 1)
  redis.call('HDEL', lease, 'connection', 'reaped', 'last_seen_ms')
  redis.call('PEXPIRE', lease, tombstone_ms)
end
local known, last = unpack(redis.call('HMGET', record, 'registered_ms', 'last_transaction_id'))
redis.call('HDEL', seen, member)
if purge == '1' then
  redis.call('ZUNIONSTORE', buried, 2, history, buried, 'AGGREGATE', 'MIN')
  redis.call('UNLINK', history)
end
redis.call('UNLINK', record, unpack(others))
if last and redis.call('EXISTS', history) == 1 then redis.call('HSET', record, 'last_transaction_id', last) end
if not known then return {'unknown'} end
emit(events, member, 'charge_point.deleted', event)
return {'deleted'}
