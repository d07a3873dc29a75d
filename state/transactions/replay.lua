-- Return the stored answer to a StartTransaction.
-- KEYS lease held events transaction | ARGV epoch holder member -> {'replayed', fence, answer} | {'gone', fence}
local f, answer = fence(lease, held, events, epoch, holder, member), redis.call('HGET', transaction, 'answer')
if not answer then return {'gone', f} end
return {'replayed', f, answer}
