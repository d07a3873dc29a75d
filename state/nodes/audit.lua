-- KEYS lease held events | ARGV epoch holder member last_seen_ms -> {'ok' | 'newer' | 'lost'}
local f = fence()
-- Most charge points said nothing since the last audit: what is the same need not go to disk again.
if f == 'ok' and redis.call('HGET', KEYS[1], 'last_seen_ms') ~= ARGV[4] then
  redis.call('HSET', KEYS[1], 'last_seen_ms', ARGV[4])
end
return {f}
