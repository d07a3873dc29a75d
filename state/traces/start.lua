-- Start a trace of a charge point in place of its previous trace.
-- KEYS record trace frames events lease | ARGV id lasts_ms frames_most bytes_most kept_ms member
-- -> {'started', node} | {'unknown'}
-- A session reads the trace from the record when it claims the lease. `node` is the node whose session holds
-- the lease now.
if redis.call('HEXISTS', record, 'registered_ms') == 0 then return {'unknown'} end
local now = now_ms()
local until_ms = now + lasts_ms
redis.call('UNLINK', trace, frames)
redis.call('HSET', trace, 'id', id, 'started_ms', now, 'until_ms', until_ms, 'frames_most', frames_most,
  'bytes_most', bytes_most)
redis.call('PEXPIREAT', trace, until_ms + kept_ms)
redis.call('HSET', record, 'trace', id .. ' ' .. until_ms)
emit(events, member, 'trace.started', '{"trace":"' .. id .. '"}')
return {'started', redis.call('HGET', lease, 'node') or ''}
