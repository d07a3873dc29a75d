-- KEYS remote_starts command charge_point lease | ARGV id expected limit lasts_ms -> {'expected' | 'known' | 'gone'}
-- WITH deletion
if redis.call('EXISTS', KEYS[2]) == 0 or deleted(KEYS[3], KEYS[4]) then return {'gone'} end
-- Once only: when it is told again, the transaction may have begun, or an earlier one may have been given up for it.
if redis.call('HSETNX', KEYS[2], 'expected', 1) == 0 then return {'known'} end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  local all, oldest, since = redis.call('HGETALL', KEYS[1]), nil, math.huge
  for i = 1, #all, 2 do
    local one = tonumber(string.match(all[i + 1], '^%[(%d+),'))
    if one < since then oldest, since = all[i], one end
  end
  redis.call('HDEL', KEYS[1], oldest)
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'expected'}
