-- Store the values of a MeterValues once, with their transaction, if nothing is unusual.
-- KEYS lease events transaction values packed | ARGV epoch holder member data compact received_ms
-- -> 'kept' | 'repeated' | 'unusual'
-- The stored message is itself the field of the hash, so an exact repeat finds it, however late the repeat comes.
-- 'unusual' means that nothing was stored, and that the caller must run meter_values_append_checked: the session may
-- have lost its lease, or the transaction is unknown or packed. This step is the most frequent one, so it has no fence()
-- and few keys, and its reply is a word and not a list, which would take the server 4 % longer.
local l = redis.call('HMGET', lease, 'epoch', 'holder')
if l[1] ~= epoch or l[2] ~= holder or redis.call('EXISTS', transaction, packed) ~= 1 then return 'unusual' end
-- One of the two keys exists, and only a transaction can have packed values.
if redis.call('HSETNX', values, compact, received_ms) == 0 then return 'repeated' end
emit_unchecked(events, member, 'meter_values', data)
return 'kept'
