-- Return the stored answer to a StartTransaction, and the pointer to the transaction that it superseded.
-- KEYS lease held events transaction | ARGV epoch holder member
-- -> {'replayed', fence, answer, superseded} | {'gone', fence}
local f = fence(lease, held, events, epoch, holder, member)
local answer, superseded = unpack(redis.call('HMGET', transaction, 'answer', 'superseded'))
if not answer then return {'gone', f} end
return {'replayed', f, answer, superseded or ''}
