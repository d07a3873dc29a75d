-- Give up the lease of a session that has ended.
-- KEYS lease held events | ARGV holder member reason -> {'released'} | {'not_held'}
-- A holder is unique, so the epoch need not be compared. It may have changed when the lease was readopted.
if redis.call('HGET', lease, 'holder') ~= holder then return {'not_held'} end
vacate(lease, held, events, member, reason)
return {'released'}
