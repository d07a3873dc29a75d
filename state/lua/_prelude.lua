local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Every step of a session begins with KEYS lease held events | ARGV epoch holder member.
-- 'ok': this session holds the lease. 'newer': another does. 'lost': the store knows an older epoch or none.
-- An empty holder at our own epoch was a reaping in error: the lease is taken back at once.
local function fence()
  local l = redis.call('HMGET', KEYS[1], 'epoch', 'holder')
  local known, epoch = tonumber(l[1] or '0'), tonumber(ARGV[1])
  if known < epoch then return 'lost' end
  if known > epoch then return 'newer' end
  if l[2] == ARGV[2] then return 'ok' end
  if l[2] ~= '' then return 'newer' end
  redis.call('HSET', KEYS[1], 'holder', ARGV[2], 'node', string.match(ARGV[2], '^[^/]*'))
  redis.call('HDEL', KEYS[1], 'until')
  redis.call('SADD', KEYS[2], ARGV[3])
  return 'ok'
end

local EVENTS_KEPT = 10000

local function emit(stream, member, kind, data)
  redis.call('XADD', stream, 'MAXLEN', '~', EVENTS_KEPT, '*', 'of', member, 'kind', kind, 'data', data)
end
