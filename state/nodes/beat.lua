-- KEYS inbox node | ARGV inbox_ms node_ms -> {'beaten'} | {'forgotten'}
-- An inbox that expired begins anew, empty. 'forgotten': who the node is must be registered again.
if redis.call('PEXPIRE', KEYS[1], ARGV[1]) == 0 then
  redis.call('XADD', KEYS[1], '*', 'm', '')
  redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return {redis.call('PEXPIRE', KEYS[2], ARGV[2]) == 1 and 'beaten' or 'forgotten'}
