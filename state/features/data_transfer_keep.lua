-- Store a DataTransfer, and keep only the latest `kept` transfers, and of these only the latest `kept_bytes`.
-- KEYS data_transfers events charge_point lease | ARGV member record kept kept_bytes kind before after
-- -> {'kept', id} | {'gone'}
-- WITH deletion
-- `before` and `after` are the event's JSON before and after the id of the transfer.
if deleted(charge_point, lease) then return {'gone'} end
local id = redis.call('XADD', data_transfers, 'MAXLEN', '=', kept, '*', 'r', record)
-- The short transfers alone cannot have too many bytes, so only a long one is a reason to look.
if #record > kept_bytes / kept then
  local bytes, entries = 0, redis.call('XREVRANGE', data_transfers, '+', '-')
  for n, entry in ipairs(entries) do
    bytes = bytes + #entry[2][2]
    if n > 1 and bytes > tonumber(kept_bytes) then
      redis.call('XTRIM', data_transfers, 'MINID', '=', entries[n - 1][1])
      break
    end
  end
end
emit(events, member, kind, before .. id .. after)
return {'kept', id}
