local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Of each stream (one per partition and tenant): 10,000 events at least, of the last 6 hours at most; whichever is
-- less. Age is looked after once in 90 minutes, so that an event costs two calls; a silent stream dies whole.
local EVENTS_KEPT, EVENTS_KEPT_MS = 10000, 21600000

local function emit(stream, member, kind, data)
  redis.call('XADD', stream, 'MAXLEN', '~', EVENTS_KEPT, '*', 'of', member, 'kind', kind, 'data', data)
  if redis.call('PTTL', stream) < EVENTS_KEPT_MS then
    redis.call('XTRIM', stream, 'MINID', '~', now_ms() - EVENTS_KEPT_MS)
    redis.call('PEXPIRE', stream, EVENTS_KEPT_MS + 5400000)
  end
end

-- Every step of a session begins with KEYS lease held events | ARGV epoch holder member.
-- 'ok': this session holds the lease. 'newer': another does. 'lost': the store knows an older epoch or none.
-- A holder reaped in error takes its lease back at once. One that released it does not: a step may still be on its way.
local function fence()
  local l = redis.call('HMGET', KEYS[1], 'epoch', 'holder', 'reaped')
  local known, epoch = tonumber(l[1] or '0'), tonumber(ARGV[1])
  if known < epoch then return 'lost' end
  if known > epoch then return 'newer' end
  if l[2] == ARGV[2] then return 'ok' end
  if l[2] ~= '' or l[3] ~= ARGV[2] then return 'newer' end
  redis.call('HSET', KEYS[1], 'holder', ARGV[2], 'node', string.match(ARGV[2], '^[^/]*'))
  redis.call('HDEL', KEYS[1], 'until_ms', 'reaped')
  redis.call('SADD', KEYS[2], ARGV[3])
  emit(KEYS[3], ARGV[3], 'charge_point.connected', redis.call('HGET', KEYS[1], 'connection'))
  return 'ok'
end

-- The holder is gone, the epoch stays. The event is the connection's JSON with the reason (JSON too) before it.
local function vacate(lease, held, events, member, reason)
  local connection = redis.call('HGET', lease, 'connection')
  redis.call('HSET', lease, 'holder', '', 'node', '', 'until_ms', now_ms())
  redis.call('SREM', held, member)
  emit(events, member, 'charge_point.disconnected', '{"reason":' .. reason .. ',' .. string.sub(connection, 2))
end

local function register(record, charge_points, events, member, id, automatic)
  redis.call('HSET', record, 'registered_ms', now_ms(), 'auto_registered', automatic and 1 or 0)
  redis.call('ZADD', charge_points, 0, id)
  emit(events, member, 'charge_point.registered', '{"auto_registered":' .. tostring(automatic) .. '}')
end

-- A reference, never the payload. The action is letters only (commands.py), the id is ours.
local function emit_command(stream, member, id, action, status)
  emit(stream, member, 'command.' .. status,
    '{"command":"' .. id .. '","action":"' .. action .. '","status":"' .. status .. '"}')
end

-- The status that `moves` ('queued=expired sent=timeout', cut from command_table.py) leads to; nil if it may not move.
local function moved(moves, status)
  return string.match(' ' .. moves, ' ' .. status .. '=(%a+)')
end

local STRAYS_KEPT, ORPHANS_KEPT = 256, 200

-- Meter values whose transaction nobody knows, told apart by its id; the oldest give way. 0: a repeat.
local function keep_stray(key, transaction_id, compact, received_ms)
  local new = redis.call('ZADD', key, 'NX', received_ms, transaction_id .. '\n' .. compact)
  redis.call('ZREMRANGEBYRANK', key, 0, -STRAYS_KEPT - 1)
  return new
end

-- The oldest orphan gives way, and is counted in the field 'evicted'.
local function make_room(orphans)
  local all, oldest, since = {}, nil, math.huge
  if redis.call('HLEN', orphans) >= ORPHANS_KEPT then all = redis.call('HGETALL', orphans) end
  for i = 1, #all, 2 do
    local received_ms = tonumber(string.match(all[i + 1], '^(%d+) '))
    if received_ms and received_ms < since then oldest, since = all[i], received_ms end
  end
  if not oldest then return end
  redis.call('HDEL', orphans, oldest)
  redis.call('HINCRBY', orphans, 'evicted', 1)
end

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
