-- Store a connector's last status, and emit an event if it has changed.
-- KEYS lease held events connectors open reservations
-- | ARGV epoch holder member connector status what data limit
-- -> {'ok' | 'newer' | 'lost' | 'full', pointer}
-- WITH reservations since
-- A connector's record has `what` on its first line and `data` on its second line, with the time since which `what` is
-- as it is. An event is emitted only if `what` changes.
local WHAT = '^[^\n]*'
local f = fence(lease, held, events, epoch, holder, member)
if f ~= 'ok' then return {f} end
local known = redis.call('HGET', connectors, connector)
if not known and redis.call('HLEN', connectors) >= tonumber(limit) then return {'full'} end
local same = known and string.match(known, WHAT) == what
redis.call('HSET', connectors, connector, what .. '\n' .. with_since(data, same and known))
if not same then emit(events, member, 'connector.status', data) end
if status == 'Faulted' or status == 'Unavailable' then end_reservations(reservations, events, member, connector) end
return {f, status == 'Available' and redis.call('HGET', open, connector) or ''}
