-- Put a message into the inbox of a node, unless the inbox has expired.
-- KEYS inbox | ARGV message kept -> {'sent' | 'late'}
-- The first write is XTRIM, because a store that is full refuses a step whose first write may take memory. What was
-- deleted or revoked must reach the sessions even then.
redis.call('XTRIM', inbox, 'MAXLEN', '~', kept)
return {redis.call('XADD', inbox, 'NOMKSTREAM', 'MAXLEN', '~', kept, '*', 'm', message) and 'sent' or 'late'}
