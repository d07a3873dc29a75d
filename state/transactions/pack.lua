-- Move messages of a transaction into a block, in place of what the block had before.
-- KEYS transaction values packed unpacked unarchived completed
-- | ARGV queued before after number block digests records...
-- -> {'packed', left} | {'changed'}
-- WITH completion
-- `before` and `after` are the directory of the blocks. 'changed' means that another process has packed messages, or
-- that the transaction is gone. The step frees memory before it takes any, so that it works on a full store.
local directory = redis.call('HGET', packed, 'i') or ''
if redis.call('EXISTS', transaction) == 0 then redis.call('ZREM', unpacked, queued) end
if redis.call('EXISTS', transaction) == 0 or directory ~= before then return {'changed'} end
if #records > 0 then
  local found = redis.call('HMGET', values, unpack(records))
  for n = 1, #records do if not found[n] then return {'changed'} end end
end
local left, score = redis.call('HLEN', values) - #records, redis.call('ZSCORE', unpacked, queued)
if left == 0 then
  redis.call('ZREM', unpacked, queued)
  redis.call('UNLINK', values)
elseif #records > 0 then
  redis.call('HDEL', values, unpack(records))
end
redis.call('HSET', packed, 'i', after)
if #records > 0 then redis.call('HSET', packed, number, block, 'd' .. number, digests) end
-- A transaction waits for its archiving only when all its messages are packed.
if left == 0 and score then redis.call('ZADD', unarchived, score, queued) end
-- A gateway of an older release enters no transaction into the order of completion.
if left == 0 then enter_found(completed, transaction, queued) end
return {'packed', tostring(left)}
