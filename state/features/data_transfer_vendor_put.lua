-- Store how the DataTransfers of one vendor are to be answered.
-- KEYS vendors | ARGV folded record limit -> {'created' | 'changed' | 'full'}
local known = redis.call('HEXISTS', vendors, folded) == 1
if not known and redis.call('HLEN', vendors) >= tonumber(limit) then return {'full'} end
redis.call('HSET', vendors, folded, record)
return {known and 'changed' or 'created'}
