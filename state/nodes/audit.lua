-- Check that a session still holds its lease, and store the time at which its charge point was last seen.
-- KEYS lease held events | ARGV epoch holder member last_seen_ms -> {'ok' | 'newer' | 'lost'}
local f = fence(lease, held, events, epoch, holder, member)
-- Most charge points sent nothing since the last audit, and a time that did not change need not be written to
-- disk again.
if f == 'ok' and redis.call('HGET', lease, 'last_seen_ms') ~= last_seen_ms then
  redis.call('HSET', lease, 'last_seen_ms', last_seen_ms)
end
return {f}
