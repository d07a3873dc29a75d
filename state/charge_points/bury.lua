-- Remove one transaction of a charge point that was deleted.
-- KEYS buried transactions open_transactions transaction values | ARGV listed -> {'buried'}
for _, set in ipairs({buried, transactions, open_transactions}) do redis.call('ZREM', set, listed) end
redis.call('UNLINK', transaction, values)
return {'buried'}
