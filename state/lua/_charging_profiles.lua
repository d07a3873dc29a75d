-- A profile's record has three lines. The first line is 'connector purpose level transaction command
-- accepted_ms'. The second line is 'since_ms because' if the profile is in doubt, or else empty. The third
-- line is the profile's JSON.
local PROFILE_LINES = '^([^\n]*)\n([^\n]*)\n(.*)$'

local function read_profile(record)
  local slot, connector, purpose, level, transaction, command =
    string.match(record, '^((%S+) (%S+) (%S+)) (%S+) (%S+)')
  return {slot = slot, connector = connector, purpose = purpose, level = level, transaction = transaction,
    command = command}
end

-- The TxProfile of a remote start whose transaction has not begun: the line 'since_ms profile level', then
-- the profile's JSON.
local PROFILE_PROMISE = '^(%d+) (%S+) (%S+)\n(.*)$'

-- Store a doubt about a command that may have changed the profiles without our knowledge. The form of a doubt
-- is 'profile body since_ms status action transaction'.
local function doubt_profiles(doubts, id, doubt)
  local PROFILE_DOUBTS_KEPT = 32
  if redis.call('HLEN', doubts) >= PROFILE_DOUBTS_KEPT then id = 'more' end
  redis.call('HSET', doubts, id, doubt)
end

-- This function is called whenever a command about profiles ends. The charge point may have carried out a
-- command that ended as timeout or unknown, so a doubt is stored for such a command.
local function watch_profiles(doubts, command, id, action, status)
  redis.call('HDEL', doubts, id)
  if status ~= 'timeout' and status ~= 'unknown' then return end
  local payload, body = unpack(redis.call('HMGET', command, 'payload', 'body'))
  local function number(name) return string.match(payload, '"' .. name .. '":(%-?%d+)') end
  local profile = number('chargingProfileId') or number('id') or '*'
  doubt_profiles(doubts, id,
    table.concat({profile, body, now_ms(), status, action, number('transactionId') or '-'}, ' '))
end

-- Delete the doubts about this profile, and the doubts of commands with the same action and payload (`body`).
local function settle_profile_doubts(doubts, profile, body)
  local PROFILE_AND_BODY, all = '^(%S+) (%S+)', redis.call('HGETALL', doubts)
  for i = 1, #all, 2 do
    local of, asked = string.match(all[i + 1], PROFILE_AND_BODY)
    if of == profile or asked == body then redis.call('HDEL', doubts, all[i]) end
  end
end

-- Store a profile in place of the profiles with the same id or the same slot (connector, purpose and level).
local function install_profile(profiles, doubts, events, member, new)
  local PROFILES_KEPT = 200
  local slot, replaced, kept, all = table.concat(new.slot, ' '), {}, 0, redis.call('HGETALL', profiles)
  for i = 1, #all, 2 do
    local same = read_profile(all[i + 1]).slot == slot
    if same and all[i] ~= new.id then replaced[#replaced + 1] = all[i] end
    if not same and all[i] ~= new.id then kept = kept + 1 end
  end
  if kept >= PROFILES_KEPT then
    doubt_profiles(doubts, 'full', new.id .. ' - ' .. now_ms() .. ' full SetChargingProfile -')
    return {'full'}
  end
  for _, id in ipairs(replaced) do redis.call('HDEL', profiles, id) end
  local first = {slot, new.transaction, new.command, now_ms()}
  redis.call('HSET', profiles, new.id, table.concat(first, ' ') .. '\n\n' .. new.json)
  settle_profile_doubts(doubts, new.id, '')
  emit(events, member, 'charging_profile.installed', '{"charging_profile_id":' .. new.id ..
    ',"connector_id":' .. new.slot[1] .. ',"replaced":[' .. table.concat(replaced, ',') .. ']}')
  return {'installed', unpack(replaced)}
end

-- Delete the TxProfiles of a transaction that has stopped. A TxProfile without a transaction is deleted as
-- soon as any transaction on its connector stops.
local function drop_tx_profiles(profiles, transaction, connector)
  local all = redis.call('HGETALL', profiles)
  for i = 1, #all, 2 do
    local one = read_profile(all[i + 1])
    if one.purpose == 'TxProfile'
        and (one.transaction == transaction or (one.transaction == '-' and one.connector == connector)) then
      redis.call('HDEL', profiles, all[i])
    end
  end
end
