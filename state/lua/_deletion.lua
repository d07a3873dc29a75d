-- Return whether a charge point was deleted. A deletion leaves only the lease with its epoch, and the lease
-- expires. A charge point without an epoch has never connected, or was lost with the whole store. If the
-- store was lost, the session takes the lease back, and everything that the charge point reports before that
-- is stored.
local function deleted(record, lease)
  return redis.call('HEXISTS', record, 'registered_ms') == 0 and redis.call('PTTL', lease) > 0
end
