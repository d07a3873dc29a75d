-- Record a batch, and let it run.
-- KEYS staged batch items index running events | ARGV member id name body running_max first last data fields...
-- -> {'created', {field, value, ...}} | {'known', {field, value, ...}} | {'conflict'} | {'full'} | {'late'}
-- `staged` has the items, which expire unless the batch begins in time ('late'). `first` and `last` are the bounds of
-- the names of this tenant's running batches. `body` is the digest of the request.
local known = redis.call('HGET', batch, 'body')
if known and known ~= body then return {'conflict'} end
if known then return {'known', redis.call('HGETALL', batch)} end
if redis.call('ZLEXCOUNT', running, first, last) >= tonumber(running_max) then return {'full'} end
if redis.call('PERSIST', staged) == 0 then return {'late'} end
redis.call('RENAME', staged, items)
local now = now_ms()
redis.call('HSET', batch, 'body', body, 'phase', 'running', 'created_ms', now, 'progress_ms', now, unpack(fields))
redis.call('ZADD', running, 0, name)
redis.call('ZADD', index, 0, string.format('%015d %s', now, id))
emit(events, member, 'batch.started', data)
return {'created', redis.call('HGETALL', batch)}
