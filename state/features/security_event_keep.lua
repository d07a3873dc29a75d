-- KEYS security_events evicted events charge_point lease | ARGV member event received_ms kept data
-- -> {'kept' | 'again' | 'gone'}
-- WITH deletion
if deleted(KEYS[4], KEYS[5]) then return {'gone'} end
-- Those of one millisecond keep their order: the score is in thousandths of one.
local place = ARGV[3] * 1000
place = place + redis.call('ZCOUNT', KEYS[1], place, place + 999)
if redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', place), ARGV[2]) == 0 then return {'again'} end
local gone = redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[4]) - 1)
if gone > 0 then redis.call('INCRBY', KEYS[2], gone) end
emit(KEYS[3], ARGV[1], 'security_event', ARGV[5])
return {'kept'}
