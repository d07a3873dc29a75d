-- Note in which file of the archive a transaction is, unless it has changed since it was read.
-- KEYS transaction unarchived archived | ARGV queued seen finished_ms file -> {'marked' | 'changed' | 'unknown'}
-- `seen` is the place in the queue before the transaction was read. The first write is ZREM, because a store that
-- is full refuses a step whose first write may take memory.
if redis.call('EXISTS', transaction) == 0 then
  for _, queue in ipairs({unarchived, archived}) do redis.call('ZREM', queue, queued) end
  return {'unknown'}
end
if tonumber(redis.call('ZSCORE', unarchived, queued) or '-1') ~= tonumber(seen) then return {'changed'} end
redis.call('ZREM', unarchived, queued)
redis.call('HSET', transaction, 'archived', file)
redis.call('ZADD', archived, finished_ms, queued)
return {'marked'}
