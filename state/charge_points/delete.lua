-- Delete a charge point with everything stored about it, and take the lease from its session, unless one of its
-- transactions is open.
-- KEYS lease held events record charge_points history open_transactions buried seen others...
-- | ARGV node member id reason tombstone_ms
-- -> {'deleted'} | {'unknown'} | {'again', node} | {'open', number, listed}
-- `listed` names the open transaction that began first.
-- The lease is kept for a while with the next epoch. So every later step of the old session returns 'newer',
-- and the session closes. Transactions are moved to `buried`, so that a new charge point with this id can be
-- registered at once.
-- The first write is ZREM, because a full store refuses a step whose first write may take memory.
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
local known = redis.call('HEXISTS', record, 'registered_ms') == 1
redis.call('HDEL', seen, member)
redis.call('ZUNIONSTORE', buried, 2, history, buried, 'AGGREGATE', 'MIN')
redis.call('UNLINK', record, history, unpack(others))
if not known then return {'unknown'} end
emit(events, member, 'charge_point.deleted', '{}')
return {'deleted'}
