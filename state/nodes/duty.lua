-- Take a duty for a while, or prolong it.
-- KEYS duty | ARGV incarnation lasts_ms -> {'held'} | {'taken', incarnation}
-- The first write is PEXPIRE, because a store that is full refuses a step whose first write may take memory.
local holder = redis.call('GET', duty)
if holder and holder ~= incarnation then return {'taken', holder} end
if redis.call('PEXPIRE', duty, lasts_ms) == 0 then redis.call('SET', duty, incarnation, 'PX', lasts_ms) end
return {'held'}
