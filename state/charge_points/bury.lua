-- Remove one transaction of a charge point that was deleted.
-- KEYS buried transactions open_transactions unpacked unarchived archived of_transaction... | ARGV listed queued
-- -> {'buried'}
for _, set in ipairs({buried, transactions, open_transactions}) do redis.call('ZREM', set, listed) end
for _, queue in ipairs({unpacked, unarchived, archived}) do redis.call('ZREM', queue, queued) end
redis.call('UNLINK', unpack(of_transaction))
return {'buried'}
