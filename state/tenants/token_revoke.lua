-- Delete a token of a tenant.
-- KEYS tokens token_ids | ARGV id -> {'revoked'} | {'unknown'}
redis.call('ZREM', token_ids, id)
redis.call('HDEL', tokens, 'token-of:' .. id, 'token-retired:' .. id, 'token-used:' .. id)
return {redis.call('HDEL', tokens, 'token:' .. id) == 1 and 'revoked' or 'unknown'}
