local PROFILES_KEPT, PROFILE_DOUBTS_KEPT = 200, 32

-- A command that may have changed the profiles without our knowing: 'profile body since_ms status action transaction'.
local function doubt_profiles(doubts, id, doubt)
  if redis.call('HLEN', doubts) >= PROFILE_DOUBTS_KEPT then id = 'more' end
  redis.call('HSET', doubts, id, doubt)
end

-- Called for each end of a command that is about profiles: one that may have come through unheard leaves a doubt.
local function watch_profiles(doubts, command, id, action, status)
  redis.call('HDEL', doubts, id)
  if status ~= 'timeout' and status ~= 'unknown' then return end
  local c = redis.call('HMGET', command, 'payload', 'body')
  local profile = string.match(c[1], '"chargingProfileId":(%-?%d+)') or string.match(c[1], '"id":(%-?%d+)') or '*'
  local transaction = string.match(c[1], '"transactionId":(%-?%d+)') or '-'
  doubt_profiles(doubts, id, table.concat({profile, c[2], now_ms(), status, action, transaction}, ' '))
end

-- What was asked for once more, or settled about this profile since.
local function settle_profile_doubts(doubts, profile, body)
  local all = redis.call('HGETALL', doubts)
  for i = 1, #all, 2 do
    local of, asked = string.match(all[i + 1], '^(%S+) (%S+)')
    if of == profile or asked == body then redis.call('HDEL', doubts, all[i]) end
  end
end

-- A profile's record is 'connector purpose level transaction command accepted_ms', 'since_ms because' if it is in doubt,
-- and its JSON, on three lines. What has its id goes, and what has its slot: connector, purpose and level.
local function install_profile(profiles, doubts, events, member, new)
  local slot, replaced, kept, all = table.concat(new.slot, ' '), {}, 0, redis.call('HGETALL', profiles)
  for i = 1, #all, 2 do
    local same = string.match(all[i + 1], '^%S+ %S+ %S+') == slot
    if same and all[i] ~= new.id then replaced[#replaced + 1] = all[i] end
    if not same and all[i] ~= new.id then kept = kept + 1 end
  end
  if kept >= PROFILES_KEPT then
    doubt_profiles(doubts, 'full', new.id .. ' - ' .. now_ms() .. ' full SetChargingProfile -')
    return {'full'}
  end
  for _, id in ipairs(replaced) do redis.call('HDEL', profiles, id) end
  local head = {slot, new.transaction, new.command, now_ms()}
  redis.call('HSET', profiles, new.id, table.concat(head, ' ') .. '\n\n' .. new.json)
  settle_profile_doubts(doubts, new.id, '')
  emit(events, member, 'charging_profile.installed', '{"charging_profile_id":' .. new.id ..
    ',"connector_id":' .. new.slot[1] .. ',"replaced":[' .. table.concat(replaced, ',') .. ']}')
  return {'installed', unpack(replaced)}
end

-- TxProfiles end with their transaction; those of nobody's, with any on their connector.
local function drop_tx_profiles(profiles, transaction, connector)
  local all = redis.call('HGETALL', profiles)
  for i = 1, #all, 2 do
    local on, of = string.match(all[i + 1], '^(%S+) TxProfile %S+ (%S+)')
    if of == transaction or (of == '-' and on == connector) then redis.call('HDEL', profiles, all[i]) end
  end
end
