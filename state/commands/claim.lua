-- KEYS lease held events command pending overdue | ARGV epoch holder member id nonce moves
-- -> {'go', action, payload, left_ms, reply_to} | {'late'} | {'taken', status} | {'gone'} | {'newer'} | {'lost'}
-- The nonce that claimed it gets `go` again: a lost reply is safe to ask for again.
local word = fence()
if word ~= 'ok' then return {word} end
local c = redis.call('HMGET', KEYS[4], 'of', 'status', 'nonce', 'deadline_ms', 'action', 'payload', 'reply_to')
if c[1] ~= ARGV[3] then
  redis.call('LREM', KEYS[5], 0, ARGV[4])
  redis.call('ZREM', KEYS[6], ARGV[4] .. ' ' .. ARGV[3])
  return {'gone'}
end
local status = moved(ARGV[6], c[2])
if not status and not (c[2] == 'sent' and c[3] == ARGV[5]) then return {'taken', c[2]} end
local now = now_ms()
local left = c[4] - now
if left <= 0 then return {'late'} end
if status then
  redis.call('HSET', KEYS[4], 'status', status, 'nonce', ARGV[5], 'epoch', ARGV[1], 'sent_ms', now)
  emit_command(KEYS[3], ARGV[3], ARGV[4], c[5], status)
end
return {'go', c[5], c[6], left, c[7]}
