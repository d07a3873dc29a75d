-- Keep the TxProfile of a remote start until the transaction of that remote start begins.
-- KEYS promises command charge_point lease | ARGV id promise limit lasts_ms
-- -> {'promised'} | {'full'} | {'fulfilled'} | {'gone'}
-- WITH charging_profiles deletion
if deleted(charge_point, lease) then return {'gone'} end
if redis.call('HEXISTS', command, 'transaction') == 1 then return {'fulfilled'} end
local now, all = now_ms(), redis.call('HGETALL', promises)
for i = 1, #all, 2 do
  local since_ms = string.match(all[i + 1], PROFILE_PROMISE)
  if tonumber(since_ms) < now - lasts_ms then redis.call('HDEL', promises, all[i]) end
end
if redis.call('HLEN', promises) >= tonumber(limit) then return {'full'} end
redis.call('HSETNX', promises, id, now .. ' ' .. promise)
redis.call('PEXPIRE', promises, lasts_ms)
return {'promised'}
