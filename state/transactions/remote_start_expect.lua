-- Remember an accepted remote start until its transaction begins; if too many are remembered, forget the
-- oldest.
-- KEYS remote_starts command record lease | ARGV id expected limit lasts_ms -> {'expected' | 'known' | 'gone'}
-- WITH deletion
local SINCE_MS = '^%[(%d+),' -- The time is the first element of the JSON array `expected`.
if redis.call('EXISTS', command) == 0 or deleted(record, lease) then return {'gone'} end
-- A command is remembered only once. When its answer is stored a second time, its transaction may have begun,
-- or the StartTransaction for a newer command may have removed this one.
if redis.call('HSETNX', command, 'expected', 1) == 0 then return {'known'} end
if redis.call('HLEN', remote_starts) >= tonumber(limit) then
  local all, oldest, since = redis.call('HGETALL', remote_starts), nil, math.huge
  for i = 1, #all, 2 do
    local one = tonumber(string.match(all[i + 1], SINCE_MS))
    if one < since then oldest, since = all[i], one end
  end
  redis.call('HDEL', remote_starts, oldest)
end
redis.call('HSET', remote_starts, id, expected)
redis.call('PEXPIRE', remote_starts, lasts_ms)
return {'expected'}
