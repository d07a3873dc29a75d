-- Record the end of a command, if its present status allows that end.
-- KEYS command pending overdue waiting_commands waiting events profile_doubts local_list record lease failed_starts
-- | ARGV member id moves watchers when why response refusal kept_ms
-- -> {'settled', status, reply_to} | {'taken', status} | {'gone'}
-- WITH charging_profiles local_list deletion unanswered failed_starts
-- `moves` has the allowed changes of status, from the table in table.py. `watchers` maps an action to the function that
-- is called when a command with this action ends. If `when` is 'overdue', the end is recorded only after the deadline.
-- If it is an epoch, the end is recorded only if the session that claimed the command had an earlier epoch.
local of, before, deadline_ms, claimed_epoch, action, reply_to = unpack(
  redis.call('HMGET', command, 'of', 'status', 'deadline_ms', 'epoch', 'action', 'reply_to'))
local known, now = of == member, now_ms()
local status = known and value_of(before, moves)
if status and when == 'overdue' then
  status = now >= tonumber(deadline_ms) and status
elseif status and when ~= '' then
  status = tonumber(claimed_epoch or '0') < tonumber(when) and status
end
if known and not status then return {'taken', before} end
local function leave(list, deadlines)
  redis.call('LREM', list, 0, id); redis.call('ZREM', deadlines, id .. ' ' .. member)
end
if not known or before ~= 'waiting' then leave(pending, overdue) end
if not known or before == 'waiting' then leave(waiting_commands, waiting) end
if not known then return {'gone'} end
redis.call('HSET', command, 'status', status, 'settled_ms', now)
redis.call('HDEL', command, 'sealed')
if status == 'expired' then redis.call('HDEL', command, 'sent_ms') end -- It was claimed, but not written.
if why ~= '' then redis.call('HSET', command, 'why', why) else redis.call('HDEL', command, 'why') end
if response ~= '' then redis.call('HSET', command, 'response', response) end
if refusal ~= '' then redis.call('HSET', command, 'error', refusal) end
redis.call('PEXPIRE', command, kept_ms)
local watcher = value_of(action, watchers)
if watcher == 'charging_profiles' and not deleted(record, lease) then
  watch_profiles(profile_doubts, command, id, action, status)
end
if watcher == 'local_list' then watch_local_list(local_list, events, member, id, status) end
count_unanswered(record, lease, status, now)
if watcher == 'remote_start' then note_remote_start(failed_starts, id, status, response, now) end
emit_command(events, member, id, action, status)
return {'settled', status, reply_to}
