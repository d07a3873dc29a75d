-- List a new command of a charge point. The list keeps the latest 1,000 commands. It expires when no command in it
-- can still be stored, which is two days after the last command, and after the `waits_ms` for which it may wait.
local function list_command(recent, now, id, waits_ms)
  local LISTED, LISTED_MS = 1000, 172800000 + waits_ms
  redis.call('ZADD', recent, 0, string.format('%018d ', now) .. id)
  redis.call('ZREMRANGEBYRANK', recent, 0, -LISTED - 1)
  if redis.call('PTTL', recent) < LISTED_MS then redis.call('PEXPIRE', recent, LISTED_MS) end
end
