-- Record when charge points last used some tokens of a tenant.
-- KEYS tokens | ARGV uses... -> {'recorded'}
-- `uses` has an id and a time for each token. A token that was revoked meanwhile is left out. Gateways report in any
-- order, so the latest time counts.
for i = 1, #uses, 2 do
  local used = 'token-used:' .. uses[i]
  local exists = redis.call('HEXISTS', tokens, 'token:' .. uses[i]) == 1
  if exists and tonumber(uses[i + 1]) > tonumber(redis.call('HGET', tokens, used) or '0') then
    redis.call('HSET', tokens, used, uses[i + 1])
  end
end
return {'recorded'}
