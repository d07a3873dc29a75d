-- Add refused handshakes of a charge point for one reason, and emit an event if the charge point is under attack.
-- KEYS refusals record lease events
-- | ARGV reason times last counts first_ms last_ms offline_ms online_ms failures emits most quiet_ms member
-- -> {'recorded'} | {'attacked'} | {'unknown'}
-- `present` is 'since_ms last_ms times' of the refusals that last until now. They begin anew after a connection, and
-- after a time without refusals: `online_ms` if the charge point is online, and `offline_ms` otherwise. Refusals that
-- say nothing against the charge point do not count (`counts`).
if redis.call('HEXISTS', record, 'registered_ms') == 0 then return {'unknown'} end
redis.call('HINCRBY', refusals, 'times:' .. reason, times)
redis.call('HSET', refusals, 'last:' .. reason, last)
if counts == '1' then
  local claimed_ms, holder = unpack(redis.call('HMGET', lease, 'claimed_ms', 'holder'))
  local since, last_one, number = string.match(redis.call('HGET', refusals, 'present') or '0 0 0', '^(%d+) (%d+) (%d+)$')
  local pause_ms = first_ms - last_one
  local is_over = pause_ms > tonumber((holder or '') == '' and offline_ms or online_ms)
  if is_over or tonumber(last_one) <= tonumber(claimed_ms or '0') then since, number = first_ms, 0 end
  redis.call('HSET', refusals, 'present', string.format(
    '%.0f %.0f %.0f', math.min(since, first_ms), math.max(last_one, last_ms), number + times))
end
if failures == '0' then return {'recorded'} end
local now, quiet = now_ms(), tonumber(quiet_ms)
local before = redis.call('HMGET', refusals, 'attack:since_ms', 'attack:last_ms', 'attack:failures', 'attack:told')
local since, count, told = tonumber(before[1] or now), tonumber(before[3] or 0), before[4] == '1'
-- Failures that are too seldom begin a new count, and so do the first ones after a quiet time.
if now - tonumber(before[2] or now) > quiet or (not told and now - since > quiet) then
  since, count, told = now, 0, false
end
count = count + tonumber(failures)
local attacked = emits == '1' and not told and count >= tonumber(most)
if attacked then
  local holder, peer = redis.call('HGET', lease, 'holder'), cjson.decode(last)
  emit(events, member, 'charge_point.under_attack', string.format(
    '{"failures":%.0f,"since_ms":%.0f,"address":%s,"reason":%s,"online":%s}',
    count, since, cjson.encode(peer.address), cjson.encode(peer.reason), tostring(holder and holder ~= '')))
end
redis.call('HSET', refusals, 'attack:since_ms', string.format('%.0f', since),
  'attack:last_ms', string.format('%.0f', now), 'attack:failures', string.format('%.0f', count),
  'attack:told', (told or attacked) and 1 or 0)
return {attacked and 'attacked' or 'recorded'}
