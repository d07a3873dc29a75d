-- KEYS lease held events record charge_points previous_held
-- | ARGV epoch holder member id previous_node connection claimed_ms last_transaction_id registration
-- -> {'readopted', epoch} | {'ok'} | {'newer'} | {'again', node}
-- After a rollback an older session may stand here, after a wipe a newer one at a lower epoch: claimed_ms tells them.
local l = redis.call('HMGET', KEYS[1], 'holder', 'node', 'claimed_ms')
local held, f = l[1] or '', fence()
if f ~= 'lost' then return {f} end
if held ~= '' and held ~= ARGV[2] then
  if tonumber(l[3] or '0') > tonumber(ARGV[7]) then return {'newer'} end
  if l[2] ~= ARGV[5] then return {'again', l[2]} end
  redis.call('SREM', KEYS[6], ARGV[3])
end
if redis.call('HEXISTS', KEYS[4], 'registered_ms') == 0 then
  register(KEYS[4], KEYS[5], KEYS[3], ARGV[3], ARGV[4], true)
  redis.call('HSET', KEYS[4], 'registration', ARGV[9])
end
if tonumber(redis.call('HGET', KEYS[4], 'last_transaction_id') or '0') < tonumber(ARGV[8]) then
  redis.call('HSET', KEYS[4], 'last_transaction_id', ARGV[8])
end
local epoch = tonumber(ARGV[1]) + 1
redis.call('HSET', KEYS[1], 'epoch', epoch, 'holder', ARGV[2], 'node', string.match(ARGV[2], '^[^/]*'),
  'connection', ARGV[6], 'claimed_ms', ARGV[7], 'previous', '')
redis.call('HDEL', KEYS[1], 'until_ms', 'reaped')
redis.call('PERSIST', KEYS[1])
redis.call('SADD', KEYS[2], ARGV[3])
emit(KEYS[3], ARGV[3], 'charge_point.connected', ARGV[6])
return {'readopted', epoch}
