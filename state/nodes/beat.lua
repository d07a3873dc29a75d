-- Prolong the inbox and the record of a node at its heartbeat.
-- KEYS node inbox | ARGV inbox_ms node_ms -> {'beaten'} | {'forgotten'}
-- If the inbox has expired, it is created again without messages. 'forgotten' means that the record of the
-- node is missing and must be stored again.
if redis.call('PEXPIRE', inbox, inbox_ms) == 0 then
  redis.call('XADD', inbox, '*', 'm', '')
  redis.call('XTRIM', inbox, 'MAXLEN', 0)
  redis.call('PEXPIRE', inbox, inbox_ms)
end
return {redis.call('PEXPIRE', node, node_ms) == 1 and 'beaten' or 'forgotten'}
