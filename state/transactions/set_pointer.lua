-- Note which transaction runs on a connector, if its start could not, because the lease was lost.
-- KEYS lease held events open open_transactions transaction | ARGV epoch holder member connector pointer
-- -> {'set'} | {'stale'} | {'newer'} | {'lost'}
-- 'stale' means that the transaction has ended, or that a later one began on the connector.
local word = fence(lease, held, events, epoch, holder, member)
if word ~= 'ok' then return {word} end
local listed = redis.call('HGET', transaction, 'listed')
if not listed or not redis.call('ZSCORE', open_transactions, listed) then return {'stale'} end
local there = string.match(redis.call('HGET', open, connector) or '0', '^%d+')
if tonumber(there) >= tonumber(string.match(pointer, '^%d+')) then return {'stale'} end
redis.call('HSET', open, connector, pointer)
return {'set'}
