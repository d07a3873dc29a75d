-- Remove one transaction of a charge point that was deleted.
-- KEYS buried transactions open_transactions unpacked unarchived archived completed transaction others...
-- | ARGV listed queued
-- -> {'buried'}
for _, set in ipairs({buried, transactions, open_transactions}) do redis.call('ZREM', set, listed) end
for _, queue in ipairs({unpacked, unarchived, archived}) do redis.call('ZREM', queue, queued) end
for entry in string.gmatch(redis.call('HGET', transaction, 'entries') or '', '%S+') do redis.call('XDEL', completed, entry) end
redis.call('UNLINK', transaction, unpack(others))
return {'buried'}
