-- Change fields of a hash if the fields on which the change was decided still have the same values.
-- KEYS record | ARGV present count fields... -> {'changed'} | {'again'} | {'gone'}
-- `fields` has the names and values of `count` fields as they were read, then the names and values to set. An empty
-- text stands for no value. The hash must have the field `present`, or else it is gone.
if redis.call('HEXISTS', record, present) == 0 then return {'gone'} end
local read = 2 * tonumber(count)
for i = 1, read, 2 do
  if (redis.call('HGET', record, fields[i]) or '') ~= fields[i + 1] then return {'again'} end
end
redis.call('HSET', record, unpack(fields, read + 1))
return {'changed'}
