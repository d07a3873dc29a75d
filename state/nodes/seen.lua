-- Store when charge points of one partition were last seen.
-- KEYS held seen | ARGV member_and_second... -> {'stored'}
-- `held` lists the charge points whose lease the node holds. Any other charge point has a newer session, or was
-- deleted, and a deleted charge point must leave nothing.
local members, fields = {}, {}
for i = 1, #member_and_second, 2 do members[#members + 1] = member_and_second[i] end
for i, holds in ipairs(redis.call('SMISMEMBER', held, unpack(members))) do
  if holds == 1 then
    fields[#fields + 1] = members[i]
    fields[#fields + 1] = member_and_second[2 * i]
  end
end
if fields[1] then redis.call('HSET', seen, unpack(fields)) end
return {'stored'}
