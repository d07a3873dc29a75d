-- A value of the hash `starts`, whose fields are fingerprints: the transaction's id, with '!' once it has stopped.
local START, STOPPED = '^(%d+)(!?)$', '!'
-- A value of the hash `open`, whose fields are connectors: 'id fingerprint tag'.
local OPEN_ID = '^%d+'
