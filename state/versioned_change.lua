-- KEYS record events charge_point lease | ARGV member version registered events_count gone_count rest...
-- -> {'changed'} | {'again'} | {'gone'}
-- WITH deletion
-- `rest`: kind and data of each event, then fields that go, then fields and values that come. 'again': another
-- change has come since the version that this one was decided on. `registered` '1': only of one that is.
if deleted(KEYS[3], KEYS[4]) then return {'gone'} end
if ARGV[3] == '1' and redis.call('HEXISTS', KEYS[3], 'registered_ms') == 0 then return {'gone'} end
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[2] then return {'again'} end
local at = 6
for _ = 1, tonumber(ARGV[4]) do
  emit(KEYS[2], ARGV[1], ARGV[at], ARGV[at + 1])
  at = at + 2
end
for _ = 1, tonumber(ARGV[5]) do
  redis.call('HDEL', KEYS[1], ARGV[at])
  at = at + 1
end
for i = at, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('HINCRBY', KEYS[1], 'version', 1)
return {'changed'}
