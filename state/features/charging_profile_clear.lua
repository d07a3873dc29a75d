-- Remove the profiles that match a ClearChargingProfile, or store a doubt about each of them.
-- KEYS profiles doubts events | ARGV member id connector purpose level body because -> {'cleared' | 'doubted', ids...}
-- WITH charging_profiles
-- An empty argument matches any value. If an id is given, only the id is compared. If `because` is given, the
-- profiles stay, and each gets a doubt with this reason.
local found, all = {}, redis.call('HGETALL', profiles)
local function admits(asked, actual) return asked == '' or asked == actual end
for i = 1, #all, 2 do
  local one = read_profile(all[i + 1])
  local meant = all[i] == id
  if id == '' then
    meant = admits(connector, one.connector) and admits(purpose, one.purpose) and admits(level, one.level)
  end
  if meant and because == '' then
    redis.call('HDEL', profiles, all[i])
  elseif meant then
    local first, _, json = string.match(all[i + 1], PROFILE_LINES)
    redis.call('HSET', profiles, all[i], first .. '\n' .. now_ms() .. ' ' .. because .. '\n' .. json)
  end
  if meant then found[#found + 1] = all[i] end
end
-- The charge point cleared the matching profiles or found none. So earlier doubts about these profiles are
-- settled.
if id .. connector .. purpose .. level == '' then
  redis.call('DEL', doubts)
else
  settle_profile_doubts(doubts, id, body)
end
local word = because == '' and 'cleared' or 'doubted'
if #found > 0 then
  emit(events, member, 'charging_profile.' .. word, '{"charging_profile_ids":[' .. table.concat(found, ',') .. ']}')
end
return {word, unpack(found)}
