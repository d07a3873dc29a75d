-- KEYS lease held events record configuration configuration_pending | ARGV epoch holder member boot
-- -> {'ok', status, registration_interval_s, heartbeat_interval_s} | {'newer'} | {'lost'}
-- Answered by the policy of this very moment; an interval that nobody has set is empty.
local f = fence()
if f ~= 'ok' then return {f} end
local r = redis.call('HMGET', KEYS[4], 'registration', 'registration_interval_s', 'heartbeat_interval_s')
local status = r[1] or 'Accepted'
redis.call('HSET', KEYS[4], 'boot', ARGV[4], 'boot_status', status, 'booted_ms', now_ms())
local changes = redis.call('HGETALL', KEYS[6]) -- What was to count after a reboot counts now.
if changes[1] then
  redis.call('HSET', KEYS[5], unpack(changes))
  redis.call('DEL', KEYS[6])
end
emit(KEYS[3], ARGV[3], 'charge_point.booted', '{"status":"' .. status .. '"}')
return {'ok', status, r[2] or '', r[3] or ''}
