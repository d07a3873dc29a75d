-- Store a new token of a tenant.
-- KEYS tokens token_ids | ARGV id digest label -> {'created'} | {'unknown'}
-- A tenant that was deleted in the meantime must not get a token.
if redis.call('HEXISTS', tokens, 'created_ms') == 0 then return {'unknown'} end
redis.call('HSET', tokens, 'token:' .. id, digest .. now_ms() .. ' ' .. label)
redis.call('ZADD', token_ids, 0, id)
return {'created'}
