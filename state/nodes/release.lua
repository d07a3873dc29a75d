-- Give up the lease of a session that has ended.
-- KEYS lease held events seen | ARGV holder member reason seen_s -> {'released'} | {'not_held'}
-- A holder is unique, so the epoch need not be compared. The epoch may have changed when the session took its
-- lease back. `seen_s` is the Unix time of the charge point's last message, or empty.
local holding, node, reaped = unpack(redis.call('HMGET', lease, 'holder', 'node', 'reaped'))
if holding ~= holder then
  -- A lease that was reaped meanwhile must not be taken back by a step of this session that is still on its way.
  if reaped == holder then redis.call('HDEL', lease, 'reaped') end
  -- The set lists the charge points whose lease the node holds, and no other.
  if node ~= string.match(holder, NODE_OF_HOLDER) then redis.call('SREM', held, member) end
  return {'not_held'}
end
vacate(lease, held, events, member, reason)
if seen_s ~= '' then redis.call('HSET', seen, member, seen_s) end
return {'released'}
