-- Change a record if it still has the version on which the change was decided.
-- KEYS record events charge_point lease | ARGV member version registered events_count gone_count rest...
-- -> {'changed'} | {'again'} | {'gone'}
-- WITH deletion
-- `rest` has the kind and data of each event, then the fields to delete, then the names and values to set.
-- 'again' means that the record has another version. If `registered` is '1', the step also returns 'gone' if
-- the charge point was never registered.
if deleted(charge_point, lease) then return {'gone'} end
if registered == '1' and redis.call('HEXISTS', charge_point, 'registered_ms') == 0 then return {'gone'} end
if (redis.call('HGET', record, 'version') or '0') ~= version then return {'again'} end
local at = 1
for _ = 1, tonumber(events_count) do
  emit(events, member, rest[at], rest[at + 1])
  at = at + 2
end
for _ = 1, tonumber(gone_count) do
  redis.call('HDEL', record, rest[at])
  at = at + 1
end
for i = at, #rest, 2 do redis.call('HSET', record, rest[i], rest[i + 1]) end
redis.call('HINCRBY', record, 'version', 1)
return {'changed'}
