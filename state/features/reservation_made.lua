-- Store a reservation that the charge point accepted, once for each command, in place of a reservation with
-- the same id.
-- KEYS reservations command events charge_point lease | ARGV member id command_id until_ms asked data
-- -> {'made'} | {'used'} | {'again'} | {'gone'}
-- WITH deletion reservations
-- A StartTransaction may name the reservation before the charge point's answer is stored. The reservation is
-- then stored as used.
if deleted(charge_point, lease) then return {'gone'} end
local KEPT = 100
local known, now = read_reservation(redis.call('HGET', reservations, id) or ''), now_ms()
if known.command == command_id then return {'again'} end
local sent = tonumber(redis.call('HGET', command, 'sent_ms')) or math.huge
local new = {state = 'active', made_ms = now, until_ms = until_ms, ended_ms = 0, transaction = '-',
  command = command_id, asked = asked}
if known.state == 'used' and tonumber(known.ended_ms) >= sent then
  new.state, new.ended_ms, new.transaction = 'used', known.ended_ms, known.transaction
end
redis.call('HSET', reservations, id, write_reservation(new))
emit(events, member, 'reservation.made', data)
local word = new.state == 'used' and 'used' or 'made'
-- If too many reservations are stored, the ones that are over are removed first, then the oldest.
local over = redis.call('HLEN', reservations) - KEPT
if over <= 0 then return {word} end
local all, ranked = redis.call('HGETALL', reservations), {}
for i = 1, #all, 2 do
  local one = read_reservation(all[i + 1])
  local stands = one.state == 'active' and tonumber(one.until_ms) > now
  local rank = all[i] == id and math.huge or tonumber(one.made_ms) + (stands and 1e15 or 0)
  ranked[#ranked + 1] = {rank, all[i]}
end
table.sort(ranked, function(a, b) return a[1] < b[1] end)
for i = 1, over do redis.call('HDEL', reservations, ranked[i][2]) end
return {word}
