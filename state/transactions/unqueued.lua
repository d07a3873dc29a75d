-- Put finished transactions into the queue for packing, unless they are there.
-- KEYS unpacked | ARGV scored... -> {'queued'}
-- `scored` has the score and the name of each transaction. The first write is ZREM, because a store that is full refuses a
-- step whose first write may take memory, and packing frees memory.
redis.call('ZREM', unpacked, '')
redis.call('ZADD', unpacked, 'NX', unpack(scored))
return {'queued'}
