-- Add refused handshakes to the record of one claimed charge point, address and reason.
-- KEYS tenant records order | ARGV owned name first_ms last_ms times last kept_ms -> {'kept'} | {'unknown'}
-- If `owned` is 0, the record belongs to no tenant.
if owned == '1' and redis.call('EXISTS', tenant) == 0 then return {'unknown'} end
redis.call('HSETNX', records, 'first:' .. name, first_ms)
redis.call('HINCRBY', records, 'times:' .. name, times)
redis.call('HSET', records, 'last:' .. name, last)
redis.call('ZADD', order, 'GT', last_ms, name)
redis.call('PEXPIRE', records, kept_ms)
redis.call('PEXPIRE', order, kept_ms)
return {'kept'}
