-- KEYS promises command charge_point lease | ARGV id promise limit lasts_ms
-- -> {'promised'} | {'full'} | {'fulfilled'} | {'gone'}
-- WITH deletion
-- A remote start's TxProfile, until the transaction begins that it is for: 'since_ms profile level' and its JSON below.
if deleted(KEYS[3], KEYS[4]) then return {'gone'} end
if redis.call('HEXISTS', KEYS[2], 'transaction') == 1 then return {'fulfilled'} end
local now, all = now_ms(), redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if tonumber(string.match(all[i + 1], '^%d+')) < now - ARGV[4] then redis.call('HDEL', KEYS[1], all[i]) end
end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return {'full'} end
redis.call('HSETNX', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'promised'}
