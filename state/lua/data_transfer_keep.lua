-- KEYS data_transfers events | ARGV member record kept kind before after -> {'kept', id}
-- `before` and `after` are the event's JSON around the id.
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[3], '*', 'r', ARGV[2])
emit(KEYS[2], ARGV[1], ARGV[4], ARGV[5] .. id .. ARGV[6])
return {'kept', id}
