-- Put a command back into the queue, because the session that claimed it has not written it to its socket.
-- KEYS command events | ARGV member id nonce moves -> {'given_back'} | {'taken'}
-- Only the session that claimed the command knows the nonce. The command still stands in `pending`.
local of, before, claimed_by, deadline_ms, action = unpack(
  redis.call('HMGET', command, 'of', 'status', 'nonce', 'deadline_ms', 'action'))
local status = of == member and claimed_by == nonce and value_of(before, moves)
if not status or now_ms() >= tonumber(deadline_ms) then return {'taken'} end
redis.call('HSET', command, 'status', status)
redis.call('HDEL', command, 'nonce', 'epoch', 'sent_ms')
emit_command(events, member, id, action, status)
return {'given_back'}
