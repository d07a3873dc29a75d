-- Give a session its lease back at the next epoch, after the store has lost the lease.
-- KEYS lease held events record charge_points previous_held
-- | ARGV epoch holder member id previous_node connection claimed_ms last_transaction_id registration
-- -> {'readopted', epoch} | {'ok', epoch} | {'newer'} | {'again', node}
-- The stored holder may be an older session (after a rollback), or a newer session with a lower epoch (after
-- a wipe). `claimed_ms` shows which session is newer.
local holding, node, other_claimed_ms, known = unpack(redis.call('HMGET', lease, 'holder', 'node', 'claimed_ms', 'epoch'))
local f = fence(lease, held, events, epoch, holder, member)
if f ~= 'lost' then return {f, tonumber(known)} end
if holding and holding ~= '' and holding ~= holder then
  if tonumber(other_claimed_ms or '0') > tonumber(claimed_ms) then return {'newer'} end
  if node ~= previous_node then return {'again', node} end
  redis.call('SREM', previous_held, member)
end
if redis.call('HEXISTS', record, 'registered_ms') == 0 then
  register(record, charge_points, events, member, id, true)
  redis.call('HSET', record, 'registration', registration)
end
if tonumber(redis.call('HGET', record, 'last_transaction_id') or '0') < tonumber(last_transaction_id) then
  redis.call('HSET', record, 'last_transaction_id', last_transaction_id)
end
local next_epoch = tonumber(epoch) + 1
redis.call('HSET', lease, 'epoch', next_epoch, 'holder', holder, 'node', string.match(holder, NODE_OF_HOLDER),
  'connection', connection, 'claimed_ms', claimed_ms, 'previous', '')
redis.call('HDEL', lease, 'until_ms', 'reaped')
redis.call('PERSIST', lease)
redis.call('SADD', held, member)
emit(events, member, 'charge_point.connected', connection)
return {'readopted', next_epoch}
