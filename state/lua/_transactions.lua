-- In `starts`, by fingerprint: the id of the transaction, and '!' once it has stopped.
local START, STOPPED = '^(%d+)(!?)$', '!'
-- In `open`, by connector: 'id fingerprint tag'.
local OPEN_ID = '^%d+'
