-- KEYS lease held events record charge_points history buried others...
-- | ARGV node member id reason tombstone_ms -> {'deleted'} | {'unknown'} | {'again', node}
-- The epoch survives for a while, one higher: sessions, and steps on their way, are `newer`-fenced and close.
-- Transactions are set aside, out of the way of what the same name may do next.
local l = redis.call('HMGET', KEYS[1], 'holder', 'node')
if l[1] and l[1] ~= '' then
  if l[2] ~= ARGV[1] then return {'again', l[2]} end
  vacate(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[4])
end
if l[1] then
  redis.call('HINCRBY', KEYS[1], 'epoch', 1)
  redis.call('HDEL', KEYS[1], 'connection', 'reaped', 'last_seen_ms')
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
local known = redis.call('HEXISTS', KEYS[4], 'registered_ms') == 1
redis.call('ZREM', KEYS[5], ARGV[3])
redis.call('ZUNIONSTORE', KEYS[7], 2, KEYS[6], KEYS[7], 'AGGREGATE', 'MIN')
redis.call('UNLINK', KEYS[4], KEYS[6], unpack(KEYS, 8))
if not known then return {'unknown'} end
emit(KEYS[3], ARGV[2], 'charge_point.deleted', '{}')
return {'deleted'}
