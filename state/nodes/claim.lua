-- Give a charge point's lease to a new session: the newest authenticated connection wins.
-- KEYS lease held events record charge_points pending waiting_commands previous_held
-- | ARGV not_after_ms lasts_ms holder member id previous_node connection registration takeovers_allowed window_ms most
-- leak_ms -> {'claimed', epoch, claimed_ms, previous_holder, previous_lost, {pending, ...}, waiting,
-- {field, value, ...}} | {'again', node} | {'late', now_ms} | {'flapping', wait_ms} | {'unknown'}
-- WITH spells
-- `waiting` is the number of commands that wait for the charge point. `registration` is the policy under which an
-- unknown charge point is registered, or empty. `previous_held` is the set `held` of `previous_node`. 'again' means
-- that nothing was changed, because another node, `node`, holds the lease. A claim lasts `lasts_ms`. If `not_after_ms`
-- is further away, the session has a wrong time, and the claim is late.
local now, new = now_ms(), redis.call('HEXISTS', record, 'registered_ms') == 0
if now > tonumber(not_after_ms) or not_after_ms - now > lasts_ms + 1000 then return {'late', now} end
if new and registration == '' then return {'unknown'} end
local holding, node, takeovers, takeovers_since, epoch, claimed_ms, previous, reaped, lost, connects = unpack(
  redis.call('HMGET', lease, 'holder', 'node', 'takeovers', 'takeovers_since', 'epoch', 'claimed_ms', 'previous',
  'reaped', 'previous_lost', 'connects'))
if holding and holding ~= '' and holding ~= holder then
  local count, since = tonumber(takeovers or '0'), tonumber(takeovers_since or '0')
  if now < since or now - since >= tonumber(window_ms) then count, since = 0, now end
  if count >= tonumber(takeovers_allowed) then return {'flapping', since + window_ms - now} end
  if node ~= previous_node then return {'again', node} end
  redis.call('SREM', previous_held, member)
end
if new then
  register(record, charge_points, events, member, id, true)
  redis.call('HSET', record, 'registration', registration)
end
if holding ~= holder then -- Otherwise this is a repeat of a claim, which gets the same answer.
  epoch, claimed_ms, previous = redis.call('HINCRBY', lease, 'epoch', 1), now, holding or ''
  lost = reaped and '1' or ''
  redis.call('HSET', lease, 'holder', holder, 'node', string.match(holder, NODE_OF_HOLDER), 'connection', connection,
    'claimed_ms', now, 'last_seen_ms', now, 'previous', previous, 'previous_lost', lost,
    'connects', add_to_spell(connects, 1, most, leak_ms, now))
  redis.call('HDEL', lease, 'until_ms', 'reaped')
  redis.call('PERSIST', lease) -- The lease of a deleted charge point expires.
  redis.call('SADD', held, member)
  emit(events, member, 'charge_point.connected', connection)
end
return {'claimed', epoch, claimed_ms, previous, lost or '', redis.call('LRANGE', pending, 0, -1),
  redis.call('LLEN', waiting_commands), redis.call('HGETALL', record)}
