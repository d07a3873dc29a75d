-- Forget a finished transaction with its meter values, its places in the indexes and its fingerprint.
-- KEYS transaction starts history transactions unpacked unarchived archived completed record others...
-- | ARGV id queued only_archived entries_kept_ms purge
-- -> {'forgotten' | 'open' | 'due' | 'unknown'}
-- WITH transactions
-- A charge point that was deleted keeps its last transaction id in `record` until none of its transactions is left.
-- If `purge` is '1', the id goes even if it is ahead of the time, because no transaction is left anywhere.
-- The first write is UNLINK, because a store that is full refuses a step whose first write may take memory.
local listed, fingerprint, stopped, ended, file, entries = unpack(redis.call('HMGET', transaction,
  'listed', 'fingerprint', 'stop_answer', 'end_ms', 'archived', 'entries'))
if not listed then
  -- The transaction was deleted with its charge point.
  for _, queue in ipairs({unpacked, unarchived, archived}) do redis.call('ZREM', queue, queued) end
  return {'unknown'}
end
if not (stopped or ended) then return {'open'} end
if only_archived == '1' and (not file or redis.call('ZSCORE', unpacked, queued)
  or redis.call('ZSCORE', unarchived, queued)) then return {'due'} end
local own = own_fingerprint(starts, fingerprint, id)
redis.call('UNLINK', transaction, unpack(others))
for _, index in ipairs({history, transactions}) do redis.call('ZREM', index, listed) end
for _, queue in ipairs({unpacked, unarchived, archived}) do redis.call('ZREM', queue, queued) end
if own ~= '' then redis.call('HDEL', starts, own) end
-- Newer entries of the order of completion stay, because their readers find the transaction in the archive.
for entry, ms in string.gmatch(entries or '', '((%d+)%-%d+)') do
  if tonumber(ms) < now_ms() - entries_kept_ms then redis.call('XDEL', completed, entry) end
end
local registered, last = unpack(redis.call('HMGET', record, 'registered_ms', 'last_transaction_id'))
local lowest = now_ms() / 1000 - FIRST_SECOND - TOLERANCE_S -- Every new transaction gets a higher id.
local needed = last and purge ~= '1' and tonumber(last) >= lowest
if last and not registered and not needed and redis.call('EXISTS', history) == 0 then
  redis.call('UNLINK', record)
end
return {'forgotten'}
