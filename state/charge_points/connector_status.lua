-- KEYS lease held events connectors | ARGV epoch holder member connector what data limit
-- -> {'ok' | 'newer' | 'lost' | 'full'}
-- `what` is the part whose change is an event; it has no line break.
local f = fence()
if f ~= 'ok' then return {f} end
local known = redis.call('HGET', KEYS[4], ARGV[4])
if not known and redis.call('HLEN', KEYS[4]) >= tonumber(ARGV[7]) then return {'full'} end
redis.call('HSET', KEYS[4], ARGV[4], ARGV[5] .. '\n' .. ARGV[6])
if not known or string.match(known, '^[^\n]*') ~= ARGV[5] then
  emit(KEYS[3], ARGV[3], 'connector.status', ARGV[6])
end
return {f}
