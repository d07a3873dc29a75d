-- Give up the lease of a session that has ended.
-- KEYS lease held events | ARGV holder member reason -> {'released'} | {'not_held'}
-- A holder is unique, so the epoch need not be compared. The epoch may have changed when the session took its
-- lease back.
if redis.call('HGET', lease, 'holder') ~= holder then
  -- A lease that was reaped meanwhile must not be taken back by a step of this session that is still on its way.
  if redis.call('HGET', lease, 'reaped') == holder then redis.call('HDEL', lease, 'reaped') end
  return {'not_held'}
end
vacate(lease, held, events, member, reason)
return {'released'}
