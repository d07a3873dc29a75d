-- Take the charge points whose signing requests are due, and let them be due again after a while.
-- KEYS queue | ARGV grace_ms claim_ms later_ms_max limit -> {due, member...}
-- A process that dies with a claim loses it: after `claim_ms` the charge point is due again. Only charge points
-- that have been due for `grace_ms` are taken. If the clock was set back, a charge point seems to be due later than in
-- `later_ms_max`, which no entry may be. It is due now.
local now = now_ms()
local due = now + claim_ms
for _, member in ipairs(redis.call('ZRANGEBYSCORE', queue, now + later_ms_max + 1, '+inf', 'LIMIT', 0, limit)) do
  redis.call('ZADD', queue, now, member)
end
local found = redis.call('ZRANGEBYSCORE', queue, '-inf', now - grace_ms, 'LIMIT', 0, limit)
for _, member in ipairs(found) do redis.call('ZADD', queue, due, member) end
return {due, unpack(found)}
