-- Give up the lease of a session that has ended.
-- KEYS lease held events | ARGV holder member reason -> {'released'} | {'not_held'}
-- A holder is unique, so it alone says whose lease this is, at whatever epoch it was re-adopted.
if redis.call('HGET', lease, 'holder') ~= holder then return {'not_held'} end
vacate(lease, held, events, member, reason)
return {'released'}
