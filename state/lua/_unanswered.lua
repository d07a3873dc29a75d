-- Count the commands in a row that a charge point has not answered in time: 'times first_ms last_ms'. An answer ends
-- the count, and the count begins anew with each connection.
local function count_unanswered(record, lease, status, now)
  if status == 'answered' or status == 'error' then
    redis.call('HDEL', record, 'unanswered')
  elseif status == 'timeout' and redis.call('HEXISTS', record, 'registered_ms') == 1 then
    local known = redis.call('HGET', record, 'unanswered') or '0 0 0'
    local times, first_ms, last_ms = string.match(known, '^(%d+) (%d+) (%d+)$')
    if tonumber(last_ms) < tonumber(redis.call('HGET', lease, 'claimed_ms') or '0') then times = 0 end
    if tonumber(times) == 0 then first_ms = now end
    redis.call('HSET', record, 'unanswered', string.format('%.0f %.0f %.0f', times + 1, first_ms, now))
  end
end
