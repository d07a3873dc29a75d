-- Keep a BootNotification and return what to answer.
-- KEYS lease held events record configuration configuration_pending | ARGV epoch holder member boot
-- -> {'ok', status, registration_interval_s, heartbeat_interval_s} | {'newer'} | {'lost'}
-- Answered by the policy of this very moment; an interval that nobody has set is empty.
local f = fence(lease, held, events, epoch, holder, member)
if f ~= 'ok' then return {f} end
local registration, registration_interval_s, heartbeat_interval_s = unpack(
  redis.call('HMGET', record, 'registration', 'registration_interval_s', 'heartbeat_interval_s'))
local status = registration or 'Accepted'
redis.call('HSET', record, 'boot', boot, 'boot_status', status, 'booted_ms', now_ms())
local changes = redis.call('HGETALL', configuration_pending) -- What was to count after a reboot counts now.
if changes[1] then
  redis.call('HSET', configuration, unpack(changes))
  redis.call('DEL', configuration_pending)
end
emit(events, member, 'charge_point.booted', '{"status":"' .. status .. '"}')
return {'ok', status, registration_interval_s or '', heartbeat_interval_s or ''}
