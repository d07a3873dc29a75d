-- Drop records of refused handshakes.
-- KEYS records order | ARGV number names_and_fields... -> {'dropped'}
-- The first `number` are names of records. The fields of these records follow.
local fields = {}
for i, one in ipairs(names_and_fields) do
  if i <= tonumber(number) then redis.call('ZREM', order, one) else table.insert(fields, one) end
end
redis.call('HDEL', records, unpack(fields))
return {'dropped'}
