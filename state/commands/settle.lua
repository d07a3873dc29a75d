-- KEYS command pending overdue events profile_doubts local_list charge_point lease
-- | ARGV member id moves when response error kept_ms
-- -> {'settled', status, reply_to} | {'taken', status} | {'gone'}
-- WITH charging_profiles local_list deletion
-- `moves` is a part of the table in command_table.py. `when`: '' always, 'overdue' if the deadline has passed,
-- or an epoch: if the command was claimed under an earlier one.
local c = redis.call('HMGET', KEYS[1], 'of', 'status', 'deadline_ms', 'epoch', 'action', 'reply_to')
local known = c[1] == ARGV[1]
local status = known and moved(ARGV[3], c[2])
local now = now_ms()
if status and ARGV[4] == 'overdue' then
  status = now >= tonumber(c[3]) and status
elseif status and ARGV[4] ~= '' then
  status = tonumber(c[4] or '0') < tonumber(ARGV[4]) and status
end
if known and not status then return {'taken', c[2]} end
redis.call('LREM', KEYS[2], 0, ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2] .. ' ' .. ARGV[1])
if not known then return {'gone'} end
redis.call('HSET', KEYS[1], 'status', status, 'settled_ms', now)
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'response', ARGV[5]) end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'error', ARGV[6]) end
redis.call('PEXPIRE', KEYS[1], ARGV[7])
if string.find(c[5], 'ChargingProfile', 1, true) and not deleted(KEYS[7], KEYS[8]) then
  watch_profiles(KEYS[5], KEYS[1], ARGV[2], c[5], status)
end
if c[5] == 'SendLocalList' then watch_local_list(KEYS[6], KEYS[4], ARGV[1], ARGV[2], status) end
emit_command(KEYS[4], ARGV[1], ARGV[2], c[5], status)
return {'settled', status, c[6]}
