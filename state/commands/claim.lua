-- Give a queued or waiting command to a session, which may then send it.
-- KEYS lease held events command pending overdue waiting_commands waiting | ARGV epoch holder member id nonce moves
-- -> {'go', now_ms, set_ms, deadline_ms, action, payload, sealed} | {'late', now_ms, set_ms, deadline_ms}
-- | {'taken', status} | {'gone'} | {'newer'} | {'lost'}
-- The deadline was set at `set_ms`. A second claim with the same nonce gets 'go' again, so a claim whose reply was
-- lost can safely be repeated. The deadline for the answer to a waiting command counts from its claim.
local word = fence(lease, held, events, epoch, holder, member)
if word ~= 'ok' then return {word} end
local of, before, claimed_by, deadline_ms, action, payload, sealed, created_ms, anchored_ms, ttl_ms = unpack(
  redis.call('HMGET', command, 'of', 'status', 'nonce', 'deadline_ms', 'action', 'payload', 'sealed', 'created_ms',
  'anchored_ms', 'ttl_ms'))
if of ~= member then
  for _, list in ipairs({pending, waiting_commands}) do redis.call('LREM', list, 0, id) end
  for _, deadlines in ipairs({overdue, waiting}) do redis.call('ZREM', deadlines, id .. ' ' .. member) end
  return {'gone'}
end
local status = value_of(before, moves)
local now = now_ms()
local left = deadline_ms - now
-- A session that repeats its claim has not written the call yet, even if the sweep has recorded a timeout.
local again = claimed_by == nonce and (before == 'sent' or before == 'timeout' and left <= 0)
if not status and not again then return {'taken', before} end
local set_ms = anchored_ms or created_ms
if left <= 0 then return {'late', now, set_ms, deadline_ms} end
if status then
  redis.call('HSET', command, 'status', status, 'nonce', nonce, 'epoch', epoch, 'sent_ms', now)
  if before == 'waiting' then
    redis.call('LREM', waiting_commands, 0, id)
    redis.call('ZREM', waiting, id .. ' ' .. member)
    set_ms, deadline_ms = now, now + ttl_ms
    redis.call('HSET', command, 'anchored_ms', now, 'deadline_ms', deadline_ms)
    redis.call('LPUSH', pending, id)
    redis.call('ZADD', overdue, deadline_ms, id .. ' ' .. member)
  end
  emit_command(events, member, id, action, status)
end
return {'go', now, set_ms, deadline_ms, action, payload, sealed or ''}
