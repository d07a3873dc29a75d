-- Put a charge point into the queue of signing requests, so that its request is due now.
-- KEYS queue | ARGV member -> {'queued'}
-- The server's own clock decides, because the claim compares the entry with it. A process knows this clock only to
-- some milliseconds, so an entry with a time of the process might not be due yet.
redis.call('ZADD', queue, now_ms(), member)
return {'queued'}
