-- Store a profile that the charge point accepted, once for each command, in place of the profiles that it
-- replaces.
-- KEYS profiles doubts events open transaction charge_point lease
-- | ARGV member id connector purpose level transaction_id command profile
-- -> {'installed', replaced...} | {'known'} | {'ended'} | {'full'} | {'gone'}
-- WITH charging_profiles deletion transactions
-- A TxProfile that names no transaction is for the transaction that is running on its connector.
if deleted(charge_point, lease) then return {'gone'} end
local known = redis.call('HGET', profiles, id) or ''
if command ~= '-' and read_profile(known).command == command then return {'known'} end
local of = transaction_id
if purpose == 'TxProfile' and of == '-' then
  of = string.match(redis.call('HGET', open, connector) or '', OPEN_ID) or '-'
elseif purpose == 'TxProfile' then
  local stopped, ended = unpack(redis.call('HMGET', transaction, 'stop_answer', 'end_ms'))
  if stopped or ended then return {'ended'} end
end
return install_profile(profiles, doubts, events, member,
  {id = id, slot = {connector, purpose, level}, transaction = of, command = command, json = profile})
