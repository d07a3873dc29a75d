-- KEYS remote_starts command events | ARGV member transaction data ids... -> {'fulfilled', reply_to} | {'again'}
-- What else the same start would meet was promised earlier, and never kept.
local first = redis.call('HDEL', KEYS[1], unpack(ARGV, 4))
if first == 0 or redis.call('EXISTS', KEYS[2]) == 0 then return {'again'} end
redis.call('HSET', KEYS[2], 'transaction', ARGV[2])
emit(KEYS[3], ARGV[1], 'command.transaction', ARGV[3])
return {'fulfilled', redis.call('HGET', KEYS[2], 'reply_to')}
