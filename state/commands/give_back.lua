-- Put a command back into its list, because the session that claimed it has not written it to its socket.
-- KEYS command events record pending overdue waiting_commands waiting
-- | ARGV member id nonce moves late waiting_moves
-- -> {'given_back'} | {'late', now_ms, set_ms, deadline_ms} | {'taken'}
-- Only the session that claimed the command knows the nonce. A command that was queued still stands in `pending`.
-- A command that was waiting goes back to the head of its list, as if it had not been claimed, unless its charge point
-- was deleted meanwhile. 'late' means that the deadline has passed, and that `late` has a move from the present status.
local of, before, claimed_by, deadline_ms, action, created_ms, anchored_ms, waits_until_ms = unpack(
  redis.call('HMGET', command, 'of', 'status', 'nonce', 'deadline_ms', 'action', 'created_ms', 'anchored_ms',
  'waits_until_ms'))
if of ~= member or claimed_by ~= nonce then return {'taken'} end
local now, waits = now_ms(), waits_until_ms and redis.call('HEXISTS', record, 'registered_ms') == 1
local status = waits and value_of(before, waiting_moves)
if status then
  redis.call('LREM', pending, 0, id)
  redis.call('ZREM', overdue, id .. ' ' .. member)
  redis.call('HSET', command, 'deadline_ms', waits_until_ms, 'anchored_ms', now)
  redis.call('LPUSH', waiting_commands, id)
  redis.call('ZADD', waiting, waits_until_ms, id .. ' ' .. member)
elseif now >= tonumber(deadline_ms) then
  return {value_of(before, late) and 'late' or 'taken', now, anchored_ms or created_ms, deadline_ms}
else
  status = value_of(before, moves)
end
if not status then return {'taken'} end
redis.call('HSET', command, 'status', status)
redis.call('HDEL', command, 'nonce', 'epoch', 'sent_ms')
emit_command(events, member, id, action, status)
return {'given_back'}
