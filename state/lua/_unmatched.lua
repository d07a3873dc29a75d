-- Facts that belong to no known transaction. Each charge point keeps the latest 10,000 orphaned stops, and the latest
-- 10,000 messages of stray meter values. Removed facts are counted.
local UNMATCHED_KEPT = 10000

-- Store meter values with the transaction id that the charge point sent. `running` means that a transaction runs
-- on their connector, so that nothing is removed to make room. Returns 0 if the same values are stored already.
local function keep_stray(key, counts, transaction_id, compact, received_ms, running)
  if redis.call('ZADD', key, 'NX', received_ms, transaction_id .. '\n' .. compact) == 0 then return 0 end
  local REMOVED_AT_ONCE, kept = 100, redis.call('HINCRBY', counts, 'kept', 1)
  if running or kept <= UNMATCHED_KEPT then return 1 end
  local over = math.min(kept - UNMATCHED_KEPT, redis.call('ZCARD', key) - 1, REMOVED_AT_ONCE)
  if over > 0 then
    local removed = redis.call('ZREMRANGEBYRANK', key, 0, over - 1)
    redis.call('HINCRBY', counts, 'kept', -removed)
    redis.call('HINCRBY', counts, 'evicted', removed)
  end
  return 1
end

-- Store an orphan. Its field 'evicted' counts the orphans that were removed to make room.
local function keep_orphan(orphans, order, digest, orphan, received_ms)
  if redis.call('ZCARD', order) >= UNMATCHED_KEPT then
    local oldest = redis.call('ZPOPMIN', order)[1]
    redis.call('HINCRBY', orphans, 'evicted', redis.call('HDEL', orphans, oldest))
  end
  redis.call('HSET', orphans, digest, orphan)
  redis.call('ZADD', order, received_ms, digest)
end
