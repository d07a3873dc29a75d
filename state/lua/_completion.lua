-- The order in which a tenant's transactions were completed, one stream in each partition. A position is the id of an
-- entry, which the clock of the server makes, and which is always above the last one. state/transactions/completed.py
-- reads the streams.
local REVISIONS_KEPT = 100

-- Enter a transaction at the end of the order. `changed` is a word for the change, and `...` has further fields of the
-- entry. Each revision has an entry of its own. From REVISIONS_KEPT on, a revision takes the place of the one before.
local function enter(completed, transaction, queued, changed, ...)
  local revision, entries, stop_ms, end_ms = unpack(redis.call('HMGET', transaction,
    'revision', 'entries', 'stop_ms', 'end_ms'))
  revision, entries = (revision or 0) + 1, entries and entries .. ' ' or ''
  if revision > REVISIONS_KEPT then
    local kept, last = string.match(entries, '^(.-)(%S+) $')
    redis.call('XDEL', completed, last)
    entries = kept
  end
  -- The name of the queues begins with the tenant, which the key of the stream has already.
  local entry = redis.call('XADD', completed, '*', 'of', string.match(queued, '/(.+)'), 'revision', revision,
    'changed', changed, 'stopped_ms', stop_ms or end_ms, ...)
  redis.call('HSET', transaction, 'revision', revision, 'entries', entries .. entry)
end

-- Enter a transaction that was completed, or has changed since then. The archive must show the change too, so the
-- transaction is packed and archived again. Call this after the change is stored, and never as the first write of a
-- step, because a full store refuses a step whose first write may take memory.
local function complete(completed, unpacked, transaction, queued, changed)
  enter(completed, transaction, queued, changed)
  redis.call('ZADD', unpacked, now_ms(), queued)
end

-- Enter a transaction that an older release completed, unless it is in the order, open, or gone.
local function enter_found(completed, transaction, queued)
  local revision, stopped, ended = unpack(redis.call('HMGET', transaction,
    'revision', 'stop_received_ms', 'end_received_ms'))
  local received_ms = math.max(tonumber(stopped or '0'), tonumber(ended or '0'))
  if revision or received_ms == 0 then return end
  enter(completed, transaction, queued, 'found', 'received_ms', string.format('%.0f', received_ms))
end
