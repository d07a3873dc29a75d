-- Put a message into the inbox of a node, and open the inbox if it has expired.
-- KEYS inbox | ARGV message inbox_ms kept -> {'woken'}
redis.call('XADD', inbox, 'MAXLEN', '~', kept, '*', 'm', message)
if redis.call('PTTL', inbox) < 0 then redis.call('PEXPIRE', inbox, inbox_ms) end
return {'woken'}
