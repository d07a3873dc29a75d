-- Take the charge points whose signing requests are due, and let them be due again after a while.
-- KEYS queue | ARGV grace_ms claim_ms limit -> {due, member...}
-- A process that dies with a claim loses it: after `claim_ms` the charge point is due again. Only charge points
-- that have been due for `grace_ms` are taken.
local now = now_ms()
local due = now + claim_ms
local found = redis.call('ZRANGEBYSCORE', queue, '-inf', now - grace_ms, 'LIMIT', 0, limit)
for _, member in ipairs(found) do redis.call('ZADD', queue, due, member) end
return {due, unpack(found)}
