-- Give up the lease of a session that has ended.
-- KEYS lease held events | ARGV holder member reason -> {'released'} | {'not_held'}
-- A holder is unique, so the epoch need not be compared. The epoch may have changed when the session took its
-- lease back.
if redis.call('HGET', lease, 'holder') ~= holder then return {'not_held'} end
vacate(lease, held, events, member, reason)
return {'released'}
