-- Store a DataTransfer, and keep only the latest `kept` transfers.
-- KEYS data_transfers events charge_point lease | ARGV member record kept kind before after
-- -> {'kept', id} | {'gone'}
-- WITH deletion
-- `before` and `after` are the event's JSON before and after the id of the transfer.
if deleted(charge_point, lease) then return {'gone'} end
local id = redis.call('XADD', data_transfers, 'MAXLEN', '=', kept, '*', 'r', record)
emit(events, member, kind, before .. id .. after)
return {'kept', id}
