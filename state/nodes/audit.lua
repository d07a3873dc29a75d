-- Check that a session still holds its lease.
-- KEYS lease held events | ARGV epoch holder member -> {'ok' | 'newer' | 'lost'}
return {fence(lease, held, events, epoch, holder, member)}
