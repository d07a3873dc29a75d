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
  -- A message may have opened the inbox again after the server's clock was set back. Its id is not after `after`, so
  -- the node would never read it. If the clock was not set back, an older copy of the store was put in place, and the
  -- node has read these messages.
  local read_ms = tonumber(string.match(after, '%d+'))
  local newest = redis.call('XREVRANGE', inbox, '+', '-', 'COUNT', 1)[1]
  if newest and tonumber(string.match(newest[1], '%d+')) < read_ms then
    local unread = now_ms() < read_ms and redis.call('XRANGE', inbox, '-', '+') or {}
    redis.call('XTRIM', inbox, 'MAXLEN', 0)
    redis.call('XSETID', inbox, after)
    for _, entry in ipairs(unread) do redis.call('XADD', inbox, '*', unpack(entry[2])) end
  end
end
redis.call('SET', node, record, 'PX', node_ms)
return {'beaten'}
