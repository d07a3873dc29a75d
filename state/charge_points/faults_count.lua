-- KEYS faults record | ARGV limit batch counts... -> {'counted' | 'repeated' | 'unknown'}
-- `counts` are name, count and time of the last one by turns. The field '' holds the last batch: a repeat counts once.
if redis.call('HEXISTS', KEYS[2], 'registered_ms') == 0 then return {'unknown'} end
if redis.call('HGET', KEYS[1], '') == ARGV[2] then return {'repeated'} end
redis.call('HSET', KEYS[1], '', ARGV[2])
for i = 3, #ARGV, 3 do
  local known, count, last_ms = redis.call('HGET', KEYS[1], ARGV[i]), tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  if known or redis.call('HLEN', KEYS[1]) <= tonumber(ARGV[1]) then
    local before, at = string.match(known or '0 0', '^(%d+) (%d+)$')
    count, last_ms = count + tonumber(before), math.max(last_ms, tonumber(at))
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f %.0f', count, last_ms))
  end
end
return {'counted'}
