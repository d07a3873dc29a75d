-- Remember an accepted remote start until its transaction begins; the oldest gives way.
-- KEYS remote_starts command record lease | ARGV id expected limit lasts_ms -> {'expected' | 'known' | 'gone'}
-- WITH deletion
local SINCE_MS = '^%[(%d+),' -- `expected` is a JSON array that begins with it.
if redis.call('EXISTS', command) == 0 or deleted(record, lease) then return {'gone'} end
-- Once only: when it is told again, the transaction may have begun, or an earlier one may have been given up for it.
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
