-- Keep the text of a fact that could not be read, or count it again.
-- KEYS facts record lease | ARGV digest text received_ms limit -> {'kept' | 'again' | 'gone'}
-- WITH deletion
-- A record has 'times first_ms last_ms' on its first line. The field 'evicted' counts the removed texts.
local HEAD = '^(%d+) (%d+) (%d+)\n(.*)$'
if deleted(record, lease) then return {'gone'} end
local times, first_ms, _, kept = string.match(redis.call('HGET', facts, digest) or '', HEAD)
if times then
  redis.call('HSET', facts, digest, times + 1 .. ' ' .. first_ms .. ' ' .. received_ms .. '\n' .. kept)
  return {'again'}
end
local all, oldest, since = {}, nil, math.huge
if redis.call('HLEN', facts) >= tonumber(limit) then all = redis.call('HGETALL', facts) end
for i = 1, #all, 2 do
  local _, _, last_ms = string.match(all[i + 1], HEAD)
  if last_ms and tonumber(last_ms) < since then oldest, since = all[i], tonumber(last_ms) end
end
if oldest then
  redis.call('HDEL', facts, oldest)
  redis.call('HINCRBY', facts, 'evicted', 1)
end
redis.call('HSET', facts, digest, '1 ' .. received_ms .. ' ' .. received_ms .. '\n' .. text)
return {'kept'}
