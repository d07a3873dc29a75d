-- Take a charge point out of the queue, or make it due later.
-- KEYS queue | ARGV member claimed after_ms -> {'settled'} | {'changed'}
-- 'changed' means that the charge point was added again after the claim, so it stays due. An empty `after_ms`
-- takes the charge point out.
if tonumber(redis.call('ZSCORE', queue, member) or '0') ~= tonumber(claimed) then return {'changed'} end
if after_ms == '' then
  redis.call('ZREM', queue, member)
else
  redis.call('ZADD', queue, now_ms() + after_ms, member)
end
return {'settled'}
