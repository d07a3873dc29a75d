-- KEYS profiles doubts events | ARGV member id connector purpose level body because -> {'cleared' | 'doubted', ids...}
-- WITH charging_profiles
-- '' is any; an id alone decides. With `because` they are not removed: that they are there is in doubt.
local found, all, everything = {}, redis.call('HGETALL', KEYS[1]), true
for i = 2, 5 do everything = everything and ARGV[i] == '' end
for i = 1, #all, 2 do
  local is = {string.match(all[i + 1], '^(%S+) (%S+) (%S+)')}
  local meant = all[i] == ARGV[2]
  if ARGV[2] == '' then
    meant = true
    for n = 1, 3 do meant = meant and (ARGV[n + 2] == '' or ARGV[n + 2] == is[n]) end
  end
  if meant and ARGV[7] == '' then
    redis.call('HDEL', KEYS[1], all[i])
  elseif meant then
    local head, json = string.match(all[i + 1], '^([^\n]*)\n[^\n]*\n(.*)$')
    redis.call('HSET', KEYS[1], all[i], head .. '\n' .. now_ms() .. ' ' .. ARGV[7] .. '\n' .. json)
  end
  if meant then found[#found + 1] = all[i] end
end
-- Whether it cleared or found nothing: what it asked for is gone.
if everything then redis.call('DEL', KEYS[2]) else settle_profile_doubts(KEYS[2], ARGV[2], ARGV[6]) end
local word = ARGV[7] == '' and 'cleared' or 'doubted'
if #found > 0 then
  emit(KEYS[3], ARGV[1], 'charging_profile.' .. word, '{"charging_profile_ids":[' .. table.concat(found, ',') .. ']}')
end
return {word, unpack(found)}
