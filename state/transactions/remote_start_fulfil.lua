-- Record that a transaction answers a remote start, and give the transaction the TxProfile of that remote start.
-- KEYS remote_starts command events transaction promises profiles doubts
-- | ARGV member public_id data received_ms connector number ids...
-- -> {'fulfilled', reply_to} | {'again'} | {'older'}
-- WITH charging_profiles
-- `ids` has the command that the start answers, then older commands that the start would answer too. All
-- these commands are removed, so the start answers the first command only and the older commands get no
-- transaction.
local command_id = ids[1]
local first_received_ms, answered, stopped, ended = unpack(
  redis.call('HMGET', transaction, 'received_ms', 'command', 'stop_answer', 'end_ms'))
local sent_ms, reply_to = unpack(redis.call('HMGET', command, 'sent_ms', 'reply_to'))
local expected = redis.call('HEXISTS', remote_starts, command_id) == 1
if answered or not (expected and first_received_ms and sent_ms) then return {'again'} end
-- This start repeats a start that came before the command was sent.
if now_ms() - (received_ms - first_received_ms) < tonumber(sent_ms) then return {'older'} end
redis.call('HDEL', remote_starts, unpack(ids))
redis.call('HSET', transaction, 'command', command_id)
redis.call('HSET', command, 'transaction', public_id)
emit(events, member, 'command.transaction', data)
local _, id, level, json = string.match(redis.call('HGET', promises, command_id) or '', PROFILE_PROMISE)
redis.call('HDEL', promises, unpack(ids))
if id and not (stopped or ended) then
  install_profile(profiles, doubts, events, member,
    {id = id, slot = {connector, 'TxProfile', level}, transaction = number, command = command_id, json = json})
end
return {'fulfilled', reply_to}
