-- A new transaction gets at least the number of seconds since 2025-01-01 as its id.
local FIRST_SECOND, TOLERANCE_S = 1735689600, 60
-- A value of the hash `starts` is a transaction's id, followed by '!' once the transaction has stopped. The
-- fields are the fingerprints of the starts.
local START, STOPPED = '^(%d+)(!?)$', '!'
-- A value of the hash `open` is 'id fingerprint tag' of a transaction. The fields are the connectors.
local OPEN_ID = '^%d+'

-- Return the fingerprint of a transaction's start, or '' if a later start has the same fingerprint. The entry in
-- `starts` and the hold belong to the later start then.
local function own_fingerprint(starts, fingerprint, id)
  return string.match(redis.call('HGET', starts, fingerprint) or id, START) == id and fingerprint or ''
end
