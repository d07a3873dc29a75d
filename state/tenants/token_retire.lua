-- Retire a token of a tenant, or make a retired token valid again.
-- KEYS tokens | ARGV id retired -> {'stored'} | {'unknown'}
-- `retired` is '1' or '0'. A token that is already retired keeps the time at which it was retired.
if redis.call('HEXISTS', tokens, 'token:' .. id) == 0 then return {'unknown'} end
if retired == '1' then
  redis.call('HSETNX', tokens, 'token-retired:' .. id, now_ms())
else
  redis.call('HDEL', tokens, 'token-retired:' .. id)
end
return {'stored'}
