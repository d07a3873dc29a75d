-- KEYS tokens token_ids | ARGV id digest label -> {'created'} | {'unknown'}
-- A tenant that is deleted meanwhile must not be left with a token.
if redis.call('HEXISTS', KEYS[1], 'created_ms') == 0 then return {'unknown'} end
redis.call('HSET', KEYS[1], 'token:' .. ARGV[1], ARGV[2] .. now_ms() .. ' ' .. ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return {'created'}
