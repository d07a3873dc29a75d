-- KEYS lease held events starts open orphans transaction values stray open_transactions profiles
-- | ARGV epoch holder member id digest orphan data compact received_ms fields...
-- -> {'stopped' | 'replayed', fence, connector, tag, fingerprint, answer, meter}
-- | {'orphaned', fence} | {'orphan_replayed', fence, orphan}
-- WITH charging_profiles
-- A stop settles only a start that exists. The fingerprint is empty if a later start has taken it over.
local f, id = fence(), ARGV[4]
local t = redis.call('HMGET', KEYS[7], 'connector', 'tag', 'fingerprint', 'stop_answer', 'listed', 'meter')
drop_tx_profiles(KEYS[11], id, not t[4] and t[1])
if not t[1] then
  local orphan = redis.call('HGET', KEYS[6], ARGV[5])
  if orphan then return {'orphan_replayed', f, orphan} end
  make_room(KEYS[6])
  redis.call('HSET', KEYS[6], ARGV[5], ARGV[9] .. ' ' .. ARGV[6])
  if ARGV[8] ~= '' then keep_stray(KEYS[9], id, ARGV[8], ARGV[9]) end
  emit(KEYS[3], ARGV[3], 'transaction.orphan_stop', ARGV[7])
  return {'orphaned', f}
end
if t[4] then
  local own = redis.call('HGET', KEYS[4], t[3]) == id .. '!'
  return {'replayed', f, t[1], t[2], own and t[3] or '', t[4], t[6]}
end
redis.call('HSET', KEYS[7], unpack(ARGV, 10))
redis.call('HSET', KEYS[4], t[3], id .. '!')
redis.call('ZREM', KEYS[10], t[5])
-- Whoever says so: a pointer to a stopped transaction is never right.
local pointer = redis.call('HGET', KEYS[5], t[1]) or ''
if string.match(pointer, '^%d+') == id then redis.call('HDEL', KEYS[5], t[1]) end
if ARGV[8] ~= '' then redis.call('HSETNX', KEYS[8], ARGV[8], ARGV[9]) end
emit(KEYS[3], ARGV[3], 'transaction.stopped', ARGV[7])
return {'stopped', f, t[1], t[2], t[3], redis.call('HGET', KEYS[7], 'stop_answer'), t[6]}
