-- Remove entries from the order of completion, and the stream itself if nothing is left of it.
-- KEYS completed | ARGV before_ms entries... -> {'removed'}
-- A stream that is removed begins again with the clock of the server. So it must have had no entry since `before_ms`,
-- because then that clock is above all its entries, even if it went back a little.
redis.call('XDEL', completed, unpack(entries))
if redis.call('XLEN', completed) > 0 then return {'removed'} end
local info = redis.call('XINFO', 'STREAM', completed)
for n = 1, #info, 2 do
  if info[n] == 'last-generated-id' and tonumber(string.match(info[n + 1], '^%d+')) < tonumber(before_ms) then
    redis.call('UNLINK', completed)
  end
end
return {'removed'}
