-- Store how far a batch has come, and prolong the lease of the process that works on it.
-- KEYS batch items | ARGV runner lease_ms reserved counts blocks... -> {'running' | 'cancelling'} | {'lost'}
-- `blocks` has the number and the content of each changed block in turn. 'lost' means that another process works on
-- the batch, or that the batch has ended or was deleted.
local phase, holder = unpack(redis.call('HMGET', batch, 'phase', 'runner'))
if holder ~= runner or (phase ~= 'running' and phase ~= 'cancelling') then return {'lost'} end
local now = now_ms()
redis.call('HSET', batch, 'until_ms', now + lease_ms, 'progress_ms', now, 'reserved', reserved, 'counts', counts)
for i = 1, #blocks, 2 do redis.call('HSET', items, blocks[i], blocks[i + 1]) end
return {phase}
