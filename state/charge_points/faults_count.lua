-- Add a gateway's counts to a charge point's faults.
-- KEYS faults record | ARGV limit batch weight most leak_ms of_clock clock_leak_ms counts...
-- -> {'counted' | 'repeated' | 'unknown'}
-- WITH spells
-- `counts` has name, count and last time of each fault. The field with the empty name holds the id of the
-- last batch, so that a repeated batch counts once. The record has two spells: of the faults that `weight` counts, and
-- of a wrong clock, if `of_clock` is '1'.
local TALLY = '^(%d+) (%d+)$' -- How often a fault was seen, and the last time.
if redis.call('HEXISTS', record, 'registered_ms') == 0 then return {'unknown'} end
if redis.call('HGET', faults, '') == batch then return {'repeated'} end
redis.call('HSET', faults, '', batch)
for i = 1, #counts, 3 do
  local name, count, last_ms = counts[i], tonumber(counts[i + 1]), tonumber(counts[i + 2])
  local known = redis.call('HGET', faults, name)
  if known or redis.call('HLEN', faults) <= tonumber(limit) then
    local before, at = string.match(known or '0 0', TALLY)
    count, last_ms = count + tonumber(before), math.max(last_ms, tonumber(at))
    redis.call('HSET', faults, name, string.format('%.0f %.0f', count, last_ms))
  end
end
local now, faulty, clock = now_ms(), unpack(redis.call('HMGET', record, 'faulty', 'clock_wrong'))
if weight ~= '0' then redis.call('HSET', record, 'faulty', add_to_spell(faulty, weight, most, leak_ms, now)) end
if of_clock == '1' then redis.call('HSET', record, 'clock_wrong', add_to_spell(clock, 1, 1, clock_leak_ms, now)) end
return {'counted'}
