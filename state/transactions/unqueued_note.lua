-- Note how far the search for transactions in no queue has come.
-- KEYS unqueued | ARGV position -> {'noted'}
-- The first write is PEXPIRE, because a store that is full refuses a step whose first write may take memory.
redis.call('PEXPIRE', unqueued, 1000)
redis.call('SET', unqueued, position)
return {'noted'}
