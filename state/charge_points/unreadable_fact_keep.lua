-- Keep the text of a fact that could not be read, or count it again.
-- KEYS facts order record lease | ARGV digest text received_ms limit -> {'kept' | 'again' | 'gone'}
-- WITH deletion
-- A record has 'times first_ms last_ms' on its first line. The field 'evicted' counts the removed texts.
local HEAD = '^(%d+) (%d+) %d+\n(.*)$'
if deleted(record, lease) then return {'gone'} end
redis.call('ZADD', order, received_ms, digest)
local times, first_ms, kept = string.match(redis.call('HGET', facts, digest) or '', HEAD)
if times then
  redis.call('HSET', facts, digest, times + 1 .. ' ' .. first_ms .. ' ' .. received_ms .. '\n' .. kept)
  return {'again'}
end
redis.call('HSET', facts, digest, '1 ' .. received_ms .. ' ' .. received_ms .. '\n' .. text)
if redis.call('ZCARD', order) > tonumber(limit) then
  local oldest = redis.call('ZPOPMIN', order)[1]
  redis.call('HINCRBY', facts, 'evicted', redis.call('HDEL', facts, oldest))
end
return {'kept'}
