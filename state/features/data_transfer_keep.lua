-- KEYS data_transfers events charge_point lease | ARGV member record kept kind before after
-- -> {'kept', id} | {'gone'}
-- WITH deletion
-- `before` and `after` are the event's JSON around the id.
if deleted(KEYS[3], KEYS[4]) then return {'gone'} end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[3], '*', 'r', ARGV[2])
emit(KEYS[2], ARGV[1], ARGV[4], ARGV[5] .. id .. ARGV[6])
return {'kept', id}
