local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Append an event. Each stream (one per partition and tenant) keeps about 10,000 events of the last 6 hours. Older
-- events are removed only every 90 minutes, so most events cost just two calls. A stream without new events expires as
-- a whole, but not within UNCHECKED_MS, in which emit_unchecked may follow.
local function emit(stream, member, kind, data)
  local EVENTS_KEPT, EVENTS_KEPT_MS = 10000, 21600000
  local UNCHECKED_MS = 600000
  redis.call('XADD', stream, 'MAXLEN', '~', EVENTS_KEPT, '*', 'of', member, 'kind', kind, 'data', data)
  if redis.call('PTTL', stream) < EVENTS_KEPT_MS + UNCHECKED_MS then
    redis.call('XTRIM', stream, 'MINID', '~', now_ms() - EVENTS_KEPT_MS)
    redis.call('PEXPIRE', stream, EVENTS_KEPT_MS + UNCHECKED_MS + 5400000)
  end
end

-- Append an event to a stream whose expiry another event of the same session has checked in the last ten minutes. The
-- length is checked in one millisecond of a hundred, by the id of the event.
local function emit_unchecked(stream, member, kind, data)
  local EVENTS_KEPT = 10000
  local id = redis.call('XADD', stream, '*', 'of', member, 'kind', kind, 'data', data)
  if string.sub(id, 12, 13) == '00' then redis.call('XTRIM', stream, 'MAXLEN', '~', EVENTS_KEPT) end
end

-- A holder is '<node>/<number>'.
local NODE_OF_HOLDER = '^[^/]*'

-- A step with the keys lease, held and events first checks whether its session still holds the lease. If the
-- session does not, a step that changes state does nothing. A step that stores a fact does so in any case,
-- and returns the word (state/nodes/leases.py).
-- 'ok': this session holds the lease. 'newer': this session no longer holds the lease. 'lost': the store
-- knows an older epoch or none. A session whose lease was reaped takes the lease back here. A session that
-- released its lease does not take it back, because the session may have sent this step before the release.
-- No two sessions have the same name, so a session that is the holder has the lease. Its epoch may be higher than the
-- session knows, if another step of the session has just taken the lease again.
local function fence(lease, held, events, epoch, holder, member)
  local l = redis.call('HMGET', lease, 'epoch', 'holder', 'reaped')
  local known, own = tonumber(l[1] or '0'), tonumber(epoch)
  if known < own then return 'lost' end
  if l[2] == holder then return 'ok' end
  if l[2] ~= '' or l[3] ~= holder then return 'newer' end
  redis.call('HSET', lease, 'holder', holder, 'node', string.match(holder, NODE_OF_HOLDER))
  redis.call('HDEL', lease, 'until_ms', 'reaped')
  redis.call('SADD', held, member)
  emit(events, member, 'charge_point.connected', redis.call('HGET', lease, 'connection'))
  return 'ok'
end

-- Remove the holder of a lease, but keep the epoch. The event's data is the connection's JSON with `reason`
-- (also JSON) as its first member.
local function vacate(lease, held, events, member, reason)
  local connection = redis.call('HGET', lease, 'connection')
  -- The server executes SREM even if its memory is full, and after SREM also the other writes.
  redis.call('SREM', held, member)
  redis.call('HSET', lease, 'holder', '', 'node', '', 'until_ms', now_ms())
  emit(events, member, 'charge_point.disconnected', '{"reason":' .. reason .. ',' .. string.sub(connection, 2))
end

local function register(record, charge_points, events, member, id, automatic)
  redis.call('HSET', record, 'registered_ms', now_ms(), 'auto_registered', automatic and 1 or 0)
  redis.call('ZADD', charge_points, 0, id)
  emit(events, member, 'charge_point.registered', '{"auto_registered":' .. tostring(automatic) .. '}')
end

-- The event names the command and never holds its payload. The action and the id need no escaping, because an
-- action has only letters (commands/record.py) and csms makes the id.
local function emit_command(stream, member, id, action, status)
  emit(stream, member, 'command.' .. status,
    '{"command":"' .. id .. '","action":"' .. action .. '","status":"' .. status .. '"}')
end

-- Return the value of a name in a table that Python sent as 'name=value name=value', or nil.
local function value_of(name, sent)
  return string.match(' ' .. sent, ' ' .. name .. '=(%S+)')
end
