local STATUS = '^%["(%a+)"' -- The record of a connector begins with a JSON array whose first element is the status.
local CHARGING = {Charging = true, SuspendedEV = true, SuspendedEVSE = true}

-- Return the status of the connector of a transaction if its charge point is online and reports that it charges. If a
-- later transaction runs on the connector, the status is about that transaction.
local function still_charging(lease, connectors, connector, running, id)
  if not connector or (running or id) ~= id or (redis.call('HGET', lease, 'holder') or '') == '' then return nil end
  local status = string.match(redis.call('HGET', connectors, connector) or '', STATUS)
  return CHARGING[status or ''] and status
end
