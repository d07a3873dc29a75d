-- Store a new token of a tenant.
-- KEYS tokens token_ids | ARGV id digest label charge_point -> {'created'} | {'unknown'}
-- `charge_point` is the only charge point that may use the token. If it is empty, every charge point may.
-- A tenant that was deleted in the meantime must not get a token.
if redis.call('HEXISTS', tokens, 'created_ms') == 0 then return {'unknown'} end
redis.call('HSET', tokens, 'token:' .. id, digest .. now_ms() .. ' ' .. label)
if charge_point ~= '' then redis.call('HSET', tokens, 'token-of:' .. id, charge_point) end
redis.call('ZADD', token_ids, 0, id)
return {'created'}
