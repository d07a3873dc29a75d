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
