-- Enter transactions that an older release completed into the order of completion, each once.
-- KEYS completed transactions... | ARGV queued... -> {'entered'}
-- WITH completion
for n, transaction in ipairs(transactions) do enter_found(completed, transaction, queued[n]) end
return {'entered'}
