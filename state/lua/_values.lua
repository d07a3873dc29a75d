-- Messages of a transaction. Each is a field of the hash `values`, until it is packed. The hash `packed` has the blocks
-- '0', '1', ..., and for each block the digests of its messages in 'd0', 'd1', ...
local DIGEST_BYTES = 8
-- What a transaction may have. A message longer than LONG counts for LONG_KEPT too (meter_values.py says why).
local VALUES_KEPT, LONG, LONG_KEPT = 100000, 256, 33554432

-- Return whether a packed message has the digest, and how many messages are packed.
local function find_packed(packed, digest)
  local number, count = 0, 0
  while true do
    local digests = redis.call('HGET', packed, 'd' .. number)
    if not digests then return false, count end
    local at = string.find(digests, digest, 1, true)
    while at and at % DIGEST_BYTES ~= 1 do at = string.find(digests, digest, at + 1, true) end
    if at then return true, count end
    number, count = number + 1, count + #digests / DIGEST_BYTES
  end
end

-- Keep a message once, unless the transaction has too many messages. Returns 'kept', 'repeated' or 'dropped', and how
-- many more messages may come.
local function keep_values(transaction, values, packed, compact, digest, received_ms)
  local found, count = find_packed(packed, digest)
  if found or redis.call('HEXISTS', values, compact) == 1 then return 'repeated', 0 end
  local left, long = VALUES_KEPT - count - redis.call('HLEN', values), #compact > LONG and #compact or 0
  local before = long > 0 and redis.call('HGET', transaction, 'values_bytes') or 0
  if left <= 0 or before + long > LONG_KEPT then
    redis.call('HINCRBY', transaction, 'values_dropped', 1)
    return 'dropped', 0
  end
  redis.call('HSET', values, compact, received_ms)
  if long > 0 then redis.call('HINCRBY', transaction, 'values_bytes', long) end
  return 'kept', left - 1
end
