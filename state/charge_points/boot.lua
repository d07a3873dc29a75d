-- Store a BootNotification and return the answer to it.
-- KEYS lease held events record configuration configuration_pending | ARGV epoch holder member boot
-- -> {'ok', status, registration_interval_s, heartbeat_interval_s} | {'newer'} | {'lost'}
-- The answer follows from the policy `registration` that is stored now. The interval is empty if no operator
-- has set it.
local f = fence(lease, held, events, epoch, holder, member)
if f ~= 'ok' then return {f} end
local registration, registration_interval_s, heartbeat_interval_s, held_back_ms = unpack(redis.call(
  'HMGET', record, 'registration', 'registration_interval_s', 'heartbeat_interval_s', 'held_back_ms'))
local status, now = registration or 'Accepted', now_ms()
redis.call('HSET', record, 'boot', boot, 'boot_status', status, 'booted_ms', now)
if status ~= 'Accepted' and not held_back_ms then redis.call('HSET', record, 'held_back_ms', now) end
if status == 'Accepted' and held_back_ms then redis.call('HDEL', record, 'held_back_ms') end
local changes = redis.call('HGETALL', configuration_pending) -- Changes that waited for a reboot take effect now.
if changes[1] then
  redis.call('HSET', configuration, unpack(changes))
  redis.call('DEL', configuration_pending)
end
emit(events, member, 'charge_point.booted', '{"status":"' .. status .. '"}')
return {'ok', status, registration_interval_s or '', heartbeat_interval_s or ''}
