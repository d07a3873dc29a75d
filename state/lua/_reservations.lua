-- A reservation's record is 'state made_ms until_ms ended_ms transaction command', then a line with the JSON of the
-- request (`asked`). `ended_ms` is 0 until the reservation ends. `transaction` is '-' if no transaction used
-- the reservation, and `command` is '-' if no command is known.
local function read_reservation(record)
  local state, made_ms, until_ms, ended_ms, transaction, command, asked =
    string.match(record, '^(%a+) (%d+) (%d+) (%d+) (%S+) (%S+)\n(.*)$')
  return {state = state, made_ms = made_ms, until_ms = until_ms, ended_ms = ended_ms, transaction = transaction,
    command = command, asked = asked}
end

local function write_reservation(r)
  local first = {r.state, r.made_ms, r.until_ms, r.ended_ms, r.transaction, r.command}
  return table.concat(first, ' ') .. '\n' .. r.asked
end

-- Mark a reservation as used by a transaction. An unknown id is noted for features/reservation_made.lua.
local function use_reservation(reservations, events, member, reservation, transaction, event)
  local RESERVATIONS_KEPT, now, known = 128, now_ms(), redis.call('HGET', reservations, reservation)
  local r = known and read_reservation(known) or {made_ms = now, until_ms = 0, command = '-', asked = ''}
  if r.state == 'used' or not (known or redis.call('HLEN', reservations) < RESERVATIONS_KEPT) then return end
  r.state, r.ended_ms, r.transaction = 'used', now, transaction
  redis.call('HSET', reservations, reservation, write_reservation(r))
  emit(events, member, 'reservation.used', event)
end

-- End the active reservations of a connector, or of the whole charge point if the connector is '0'.
local function end_reservations(reservations, events, member, connector)
  local all, now = redis.call('HGETALL', reservations), now_ms()
  for i = 1, #all, 2 do
    local r = read_reservation(all[i + 1])
    local on = string.match(r.asked or '', '"connector_id":(%d+)')
    if r.state == 'active' and tonumber(r.until_ms) > now and (connector == '0' or on == connector) then
      r.state, r.ended_ms = 'cancelled', now
      redis.call('HSET', reservations, all[i], write_reservation(r))
      emit(events, member, 'reservation.cancelled', '{"reservation_id":' .. all[i] .. ',"command":null}')
    end
  end
end
