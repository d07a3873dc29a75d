-- Whether a charge point was deleted. A deletion leaves nothing but the lease with its epoch, which expires. A charge
-- point without an epoch has never connected, or was lost with the whole store. In the latter case its session takes
-- the lease back, and everything that it reports before that is stored.
local function deleted(record, lease)
  return redis.call('HEXISTS', record, 'registered_ms') == 0 and redis.call('PTTL', lease) > 0
end
