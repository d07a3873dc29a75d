-- Add refused handshakes of a charge point for one reason.
-- KEYS refusals record | ARGV reason times last -> {'recorded'} | {'unknown'}
if redis.call('HEXISTS', record, 'registered_ms') == 0 then return {'unknown'} end
redis.call('HINCRBY', refusals, 'times:' .. reason, times)
redis.call('HSET', refusals, 'last:' .. reason, last)
return {'recorded'}
