-- KEYS lease held events record charge_points pending previous_held
-- | ARGV not_after_ms holder member id previous_node connection registration
-- -> {'claimed', epoch, claimed_ms, previous_holder, {pending, ...}, {field, value, ...}}
-- | {'again', node} | {'late'} | {'flapping', wait_ms} | {'unknown'}
-- `registration`: the policy that an unknown charge point is registered under; empty: it is not.
-- 'again': another node holds it than the one whose held set was declared. Nothing was changed.
local TAKEOVERS, WINDOW_MS = 5, 60000
local now, new = now_ms(), redis.call('HEXISTS', KEYS[4], 'registered_ms') == 0
if now > tonumber(ARGV[1]) then return {'late'} end
if new and ARGV[7] == '' then return {'unknown'} end
local l = redis.call('HMGET', KEYS[1], 'holder', 'node', 'takeovers', 'takeovers_since', 'epoch', 'claimed_ms', 'previous')
local held, epoch, claimed, previous = l[1] or '', l[5], l[6], l[7]
if held ~= '' and held ~= ARGV[2] then
  local count, since = tonumber(l[3] or '0'), tonumber(l[4] or '0')
  if now < since or now - since >= WINDOW_MS then count, since = 0, now end
  if count >= TAKEOVERS then return {'flapping', since + WINDOW_MS - now} end
  if l[2] ~= ARGV[5] then return {'again', l[2]} end
  redis.call('HSET', KEYS[1], 'takeovers', count + 1, 'takeovers_since', since)
  redis.call('SREM', KEYS[7], ARGV[3])
end
if new then
  register(KEYS[4], KEYS[5], KEYS[3], ARGV[3], ARGV[4], true)
  redis.call('HSET', KEYS[4], 'registration', ARGV[7])
end
if held ~= ARGV[2] then -- Else the same claim once more: it gets the same answer.
  epoch, claimed, previous = redis.call('HINCRBY', KEYS[1], 'epoch', 1), now, held
  redis.call('HSET', KEYS[1], 'holder', ARGV[2], 'node', string.match(ARGV[2], '^[^/]*'), 'connection', ARGV[6],
    'claimed_ms', now, 'last_seen_ms', now, 'previous', held)
  redis.call('HDEL', KEYS[1], 'until_ms', 'reaped')
  redis.call('PERSIST', KEYS[1]) -- It may be a deleted charge point's.
  redis.call('SADD', KEYS[2], ARGV[3])
  emit(KEYS[3], ARGV[3], 'charge_point.connected', ARGV[6])
end
local pending, record = redis.call('LRANGE', KEYS[6], 0, -1), redis.call('HGETALL', KEYS[4])
return {'claimed', epoch, claimed, previous, pending, record}
