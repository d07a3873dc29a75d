-- A value of the hash `starts` is a transaction's id, followed by '!' once the transaction has stopped. The
-- fields are the fingerprints of the starts.
local START, STOPPED = '^(%d+)(!?)$', '!'
-- A value of the hash `open` is 'id fingerprint tag' of a transaction. The fields are the connectors.
local OPEN_ID = '^%d+'
