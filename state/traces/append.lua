-- Append a batch of entries to a trace, and end the trace when it is full.
-- KEYS record trace frames events | ARGV id writer batch dropped kept_ms member entries...
-- -> {'recording'} | {'ended'} | {'full'} | {'gone'}
-- An entry is four arguments: its time, its size, 'frame' | 'cut' | 'mark', and the packed entry. After a
-- trace has ended, an entry is still accepted if its time is before that end. A writer numbers its batches,
-- so that a repeated batch is not appended twice.
local of, until_ms, frames_most, bytes_most, taken, size, ended, ended_ms, last_batch = unpack(redis.call('HMGET',
  trace, 'id', 'until_ms', 'frames_most', 'bytes_most', 'entries', 'bytes', 'ended', 'ended_ms', 'writer/' .. writer))
if of ~= id then return {'gone'} end
if ended == 'size' then return {'full'} end
local last, full, count = tonumber(ended_ms or until_ms), false, {frame = 0, cut = 0, mark = 0}
taken, size = tonumber(taken or '0'), tonumber(size or '0')
if tonumber(last_batch or '0') < tonumber(batch) then
  for i = 1, #entries, 4 do
    local at_ms, bytes, kind, entry = unpack(entries, i, i + 3)
    full = full or size + bytes > tonumber(bytes_most)
    if full then break end
    if tonumber(at_ms) <= last then
      redis.call('XADD', frames, '*', 'e', entry)
      taken, size, count[kind] = taken + 1, size + bytes, count[kind] + 1
      full = taken >= tonumber(frames_most)
    end
  end
  redis.call('HSET', trace, 'writer/' .. writer, batch, 'entries', taken, 'bytes', size)
  for kind, more in pairs(count) do redis.call('HINCRBY', trace, kind, more) end
  redis.call('HINCRBY', trace, 'dropped', dropped)
  redis.call('PEXPIRE', frames, redis.call('PTTL', trace))
end
if not full then return {(ended or now_ms() > last) and 'ended' or 'recording'} end
if ended then return {'ended'} end
redis.call('HSET', trace, 'ended', 'size', 'ended_ms', now_ms())
for _, key in ipairs({trace, frames}) do redis.call('PEXPIRE', key, kept_ms) end
redis.call('HDEL', record, 'trace')
emit(events, member, 'trace.ended', '{"trace":"' .. id .. '","why":"size"}')
return {'full'}
