-- KEYS record configuration configuration_pending | ARGV replace limit fields... -> {'learned' | 'full' | 'gone'}
-- `replace` is '1' if this is all there is. 'gone': the charge point was deleted meanwhile.
if redis.call('HEXISTS', KEYS[1], 'registered_ms') == 0 then return {'gone'} end
if ARGV[1] == '1' then redis.call('DEL', KEYS[2]) end
local word, room = 'learned', ARGV[2] - redis.call('HLEN', KEYS[2]) - redis.call('HLEN', KEYS[3])
for i = 3, #ARGV, 2 do
  local known = redis.call('HEXISTS', KEYS[2], ARGV[i]) == 1
  if known or room > 0 then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    if not known then room = room - 1 end
  else
    word = 'full'
  end
end
return {word}
