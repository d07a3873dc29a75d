-- KEYS record trace frames events | ARGV id writer batch dropped kept_ms member entries...
-- -> {'recording'} | {'ended'} | {'full'} | {'gone'}
-- An entry is four arguments: when, its bytes, 'frame' | 'cut' | 'mark', itself. What happened before the end is taken
-- behind it too. A writer numbers its batches, so that one whose reply was lost is not taken twice.
local t = redis.call('HMGET', KEYS[2], 'id', 'until_ms', 'frames_most', 'bytes_most', 'entries', 'bytes', 'ended',
  'ended_ms', 'writer/' .. ARGV[2])
if t[1] ~= ARGV[1] then return {'gone'} end
if t[7] == 'size' then return {'full'} end
local last, entries, bytes = tonumber(t[8] or t[2]), tonumber(t[5] or '0'), tonumber(t[6] or '0')
local full, count = false, {frame = 0, cut = 0, mark = 0}
if tonumber(t[9] or '0') < tonumber(ARGV[3]) then
  for i = 7, #ARGV, 4 do
    full = full or bytes + ARGV[i + 1] > tonumber(t[4])
    if full then break end
    if tonumber(ARGV[i]) <= last then
      redis.call('XADD', KEYS[3], '*', 'e', ARGV[i + 3])
      entries, bytes, count[ARGV[i + 2]] = entries + 1, bytes + ARGV[i + 1], count[ARGV[i + 2]] + 1
      full = entries >= tonumber(t[3])
    end
  end
  redis.call('HSET', KEYS[2], 'writer/' .. ARGV[2], ARGV[3], 'entries', entries, 'bytes', bytes)
  for name, by in pairs(count) do redis.call('HINCRBY', KEYS[2], name, by) end
  redis.call('HINCRBY', KEYS[2], 'dropped', ARGV[4])
  redis.call('PEXPIRE', KEYS[3], redis.call('PTTL', KEYS[2]))
end
if not full then return {(t[7] or now_ms() > last) and 'ended' or 'recording'} end
if t[7] then return {'ended'} end
redis.call('HSET', KEYS[2], 'ended', 'size', 'ended_ms', now_ms())
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
redis.call('HDEL', KEYS[1], 'trace')
emit(KEYS[4], ARGV[6], 'trace.ended', '{"trace":"' .. ARGV[1] .. '","why":"size"}')
return {'full'}
