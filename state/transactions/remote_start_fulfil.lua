-- KEYS remote_starts command events transaction promises profiles doubts
-- | ARGV member public_id data received_ms connector number ids...
-- -> {'fulfilled', reply_to} | {'again'} | {'older'}
-- WITH charging_profiles
-- `ids`: the command, then what the same start would meet but was promised earlier, and never kept.
local t = redis.call('HMGET', KEYS[4], 'received_ms', 'command', 'stop_answer')
local c = redis.call('HMGET', KEYS[2], 'sent_ms', 'reply_to')
local expected = redis.call('HEXISTS', KEYS[1], ARGV[7]) == 1
if t[2] or not (expected and t[1] and c[1]) then return {'again'} end
-- The repeat of a start that had come before we asked.
if now_ms() - (ARGV[4] - t[1]) < tonumber(c[1]) then return {'older'} end
redis.call('HDEL', KEYS[1], unpack(ARGV, 7))
redis.call('HSET', KEYS[4], 'command', ARGV[7])
redis.call('HSET', KEYS[2], 'transaction', ARGV[2])
emit(KEYS[3], ARGV[1], 'command.transaction', ARGV[3])
local promise = redis.call('HGET', KEYS[5], ARGV[7]) or ''
local id, level, json = string.match(promise, '^%d+ (%S+) (%S+)\n(.*)$')
redis.call('HDEL', KEYS[5], unpack(ARGV, 7))
if id and not t[3] then
  install_profile(KEYS[6], KEYS[7], KEYS[3], ARGV[1],
    {id = id, slot = {ARGV[5], 'TxProfile', level}, transaction = ARGV[6], command = ARGV[7], json = json})
end
return {'fulfilled', c[2]}
