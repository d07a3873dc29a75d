-- Note which transaction runs on a connector, if its start could not, because the lease was lost.
-- KEYS lease held events open open_transactions transaction running
-- | ARGV epoch holder member connector pointer superseding
-- -> {'set' | 'stale', superseded} | {'ended'} | {'again', pointer} | {'newer'} | {'lost'}
-- WITH transactions
-- The caller proposes the transaction that is noted on the connector (`running`), because its key must be declared.
-- 'again' comes with the right pointer. Of two transactions, the later one supersedes the earlier one, whose pointer is
-- returned, because its hold is to be released. 'stale' means that the later one is noted already. `superseding` is the
-- event about the earlier one. The pointer is stored, so that a repeated step returns it again.
local word = fence(lease, held, events, epoch, holder, member)
if word ~= 'ok' then return {word} end
local listed = redis.call('HGET', transaction, 'listed')
if not listed or not redis.call('ZSCORE', open_transactions, listed) then return {'ended'} end
local there, id = redis.call('HGET', open, connector) or '', string.match(pointer, OPEN_ID)
local other = string.match(there, OPEN_ID) or ''
if other == id then return {'set', redis.call('HGET', transaction, 'superseded') or ''} end
if other ~= string.match(running, '%d*$') then return {'again', there} end
local is_later = other == '' or tonumber(id) > tonumber(other)
local earlier, by = transaction, other
if is_later then
  redis.call('HSET', open, connector, pointer)
  if other == '' then return {'set', ''} end
  redis.call('HSET', transaction, 'superseded', there)
  earlier, by = running, id
end
if redis.call('HEXISTS', earlier, 'listed') == 1 and redis.call('HEXISTS', earlier, 'superseded_by') == 0 then
  redis.call('HSET', earlier, 'superseded_by', by, 'superseded_ms', now_ms())
  emit(events, member, 'transaction.superseded', superseding)
end
return is_later and {'set', there} or {'stale', pointer}
