-- Put a command back into the queue, because the session that claimed it has not written it to its socket.
-- KEYS command events | ARGV member id nonce moves late
-- -> {'given_back'} | {'late', now_ms, set_ms, deadline_ms} | {'taken'}
-- Only the session that claimed the command knows the nonce. The command still stands in `pending`. 'late'
-- means that the deadline has passed, and that `late` has a move from the present status.
local of, before, claimed_by, deadline_ms, action, created_ms, anchored_ms = unpack(redis.call('HMGET', command,
  'of', 'status', 'nonce', 'deadline_ms', 'action', 'created_ms', 'anchored_ms'))
if of ~= member or claimed_by ~= nonce then return {'taken'} end
local now = now_ms()
if now >= tonumber(deadline_ms) then
  return {value_of(before, late) and 'late' or 'taken', now, anchored_ms or created_ms, deadline_ms}
end
local status = value_of(before, moves)
if not status then return {'taken'} end
redis.call('HSET', command, 'status', status)
redis.call('HDEL', command, 'nonce', 'epoch', 'sent_ms')
emit_command(events, member, id, action, status)
return {'given_back'}
