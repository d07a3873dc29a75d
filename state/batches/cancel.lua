-- Let a batch send nothing more.
-- KEYS batch | ARGV by -> {'cancelling' | 'ended' | 'gone'}
-- The first write is PERSIST, because a store that is full refuses a step whose first write may take memory. A batch
-- that has not ended has no expiry.
local phase = redis.call('HGET', batch, 'phase')
if not phase then return {'gone'} end
if phase == 'cancelling' then return {'cancelling'} end
if phase ~= 'running' then return {'ended'} end
redis.call('PERSIST', batch)
redis.call('HSET', batch, 'phase', 'cancelling', 'cancelled_ms', now_ms(), 'cancelled_by', by)
return {'cancelling'}
