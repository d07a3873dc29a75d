-- Store the configuration keys that the charge point reported.
-- KEYS record configuration configuration_pending | ARGV replace limit fields... -> {'learned' | 'full' | 'gone'}
-- `replace` is '1' if the charge point reported all its keys. 'gone' means that the charge point was deleted
-- in the meantime.
if redis.call('HEXISTS', record, 'registered_ms') == 0 then return {'gone'} end
if replace == '1' then redis.call('DEL', configuration) end
local word = 'learned'
local room = limit - redis.call('HLEN', configuration) - redis.call('HLEN', configuration_pending)
for i = 1, #fields, 2 do
  local known = redis.call('HEXISTS', configuration, fields[i]) == 1
  if known or room > 0 then
    redis.call('HSET', configuration, fields[i], fields[i + 1])
    if not known then room = room - 1 end
  else
    word = 'full'
  end
end
return {word}
