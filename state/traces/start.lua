-- KEYS record trace frames events lease | ARGV id lasts_ms frames_most bytes_most kept_ms member
-- -> {'started', node} | {'unknown'}
-- In place of the trace before. A session learns of it from the record when it claims; `node` is who holds one now.
if redis.call('HEXISTS', KEYS[1], 'registered_ms') == 0 then return {'unknown'} end
local now = now_ms()
local until_ms = now + ARGV[2]
redis.call('UNLINK', KEYS[2], KEYS[3])
redis.call('HSET', KEYS[2], 'id', ARGV[1], 'started_ms', now, 'until_ms', until_ms, 'frames_most', ARGV[3],
  'bytes_most', ARGV[4])
redis.call('PEXPIREAT', KEYS[2], until_ms + ARGV[5])
redis.call('HSET', KEYS[1], 'trace', ARGV[1] .. ' ' .. until_ms)
emit(KEYS[4], ARGV[6], 'trace.started', '{"trace":"' .. ARGV[1] .. '"}')
return {'started', redis.call('HGET', KEYS[5], 'node') or ''}
