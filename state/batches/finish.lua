-- Record the end of a batch whose items all have an outcome, or will never be sent.
-- KEYS batch items running events | ARGV member name runner phase kept_ms data
-- -> {'finished' | 'cancelled'} | {'again', phase} | {'lost'}
-- 'again' means that the batch is not in `phase` any more, because an operator has cancelled it meanwhile.
local now_in, holder = unpack(redis.call('HMGET', batch, 'phase', 'runner'))
if holder ~= runner or (now_in ~= 'running' and now_in ~= 'cancelling') then return {'lost'} end
if now_in ~= phase then return {'again', now_in} end
redis.call('PEXPIRE', batch, kept_ms)
redis.call('PEXPIRE', items, kept_ms)
redis.call('ZREM', running, name)
redis.call('HDEL', batch, 'sealed', 'runner', 'until_ms')
local ended = phase == 'running' and 'finished' or 'cancelled'
redis.call('HSET', batch, 'phase', ended, 'ended_ms', now_ms())
if ended == 'finished' then
  emit(events, member, 'batch.finished', data)
else
  emit(events, member, 'batch.cancelled', data)
end
return {ended}
