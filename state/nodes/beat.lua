-- Store the record of a node and prolong its inbox at its heartbeat.
-- KEYS node inbox | ARGV inbox_ms node_ms record after -> {'beaten'}
-- The first write is one that the server executes even if its memory is full, so the later writes may follow.
-- An inbox that has expired is created again without messages. Its next message has an id after `after`, which
-- is the last id that the node has read. The server's clock alone does not guarantee that.
if redis.call('PEXPIRE', inbox, inbox_ms) == 0 then
  redis.call('XADD', inbox, after == '0' and '*' or after, 'm', '')
  redis.call('XTRIM', inbox, 'MAXLEN', 0)
  redis.call('PEXPIRE', inbox, inbox_ms)
else
  -- A message may have opened the inbox again after the server's clock was set back.
  local newest = redis.call('XREVRANGE', inbox, '+', '-', 'COUNT', 1)[1]
  if newest and tonumber(string.match(newest[1], '%d+')) < tonumber(string.match(after, '%d+')) then
    redis.call('XSETID', inbox, after)
  end
end
redis.call('SET', node, record, 'PX', node_ms)
return {'beaten'}
