-- Note the id of a transaction or command with which a driver could not begin to charge. An id counts once. The set
-- keeps the ids of two days, and at most 10,000.
local function note_failed_start(failed_starts, id, at_ms)
  local KEPT, KEPT_MS = 10000, 172800000
  redis.call('ZADD', failed_starts, 'NX', at_ms, id)
  redis.call('ZREMRANGEBYSCORE', failed_starts, '-inf', at_ms - KEPT_MS)
  redis.call('ZREMRANGEBYRANK', failed_starts, 0, -KEPT - 1)
  redis.call('PEXPIRE', failed_starts, KEPT_MS)
end

-- Note a remote start that has ended without the word Accepted. The answer may still come later. A remote start that an
-- operator has cancelled did not fail.
local function note_remote_start(failed_starts, id, status, response, now)
  if status == 'cancelled' then return end
  if status == 'answered' and string.find(response, '"status"%s*:%s*"Accepted"') then
    redis.call('ZREM', failed_starts, id)
  else
    note_failed_start(failed_starts, id, now)
  end
end
