-- Of a charge point that was deleted nothing is left but its epoch, which expires. One without an epoch was never
-- connected, or lost with the whole store: then its session takes the lease back, and what it tells until then is kept.
local function deleted(record, lease)
  return redis.call('HEXISTS', record, 'registered_ms') == 0 and redis.call('PTTL', lease) > 0
end
