-- KEYS profiles doubts events open transaction charge_point lease
-- | ARGV member id connector purpose level transaction command profile
-- -> {'installed', replaced...} | {'known'} | {'ended'} | {'full'} | {'gone'}
-- WITH charging_profiles deletion
-- A TxProfile that names no transaction is for the one that is running on its connector.
if deleted(KEYS[6], KEYS[7]) then return {'gone'} end
local transaction, command = ARGV[6], ARGV[7]
local known = redis.call('HGET', KEYS[1], ARGV[2]) or ''
if command ~= '-' and string.match(known, '^%S+ %S+ %S+ %S+ (%S+)') == command then return {'known'} end
if ARGV[4] == 'TxProfile' and transaction == '-' then
  transaction = string.match(redis.call('HGET', KEYS[4], ARGV[3]) or '', '^%d+') or '-'
elseif ARGV[4] == 'TxProfile' and redis.call('HEXISTS', KEYS[5], 'stop_answer') == 1 then
  return {'ended'}
end
return install_profile(KEYS[1], KEYS[2], KEYS[3], ARGV[1],
  {id = ARGV[2], slot = {ARGV[3], ARGV[4], ARGV[5]}, transaction = transaction, command = command, json = ARGV[8]})
