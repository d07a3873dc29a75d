-- KEYS reservations command events charge_point lease | ARGV member id command until_ms asked data
-- -> {'made'} | {'used'} | {'again'} | {'gone'}
-- WITH deletion
-- A record is 'state made_ms until_ms ended_ms transaction command' and, below it, what was asked for.
-- A start may name it before the charge point's answer is stored: then it is used already.
if deleted(KEYS[4], KEYS[5]) then return {'gone'} end
local KEPT = 100
local known, now = redis.call('HGET', KEYS[1], ARGV[2]) or '', now_ms()
local state, ended, transaction, by = string.match(known, '^(%a+) %d+ %d+ (%d+) (%S+) (%S+)\n')
if by == ARGV[3] then return {'again'} end
local sent = tonumber(redis.call('HGET', KEYS[2], 'sent_ms')) or math.huge
local used = state == 'used' and tonumber(ended) >= sent
local head = {'active', now, ARGV[4], 0, '-', ARGV[3]}
if used then head[1], head[4], head[5] = 'used', ended, transaction end
redis.call('HSET', KEYS[1], ARGV[2], table.concat(head, ' ') .. '\n' .. ARGV[5])
emit(KEYS[3], ARGV[1], 'reservation.made', ARGV[6])
-- Of too many, those that are over give way, then the oldest.
local over = redis.call('HLEN', KEYS[1]) - KEPT
if over <= 0 then return {used and 'used' or 'made'} end
local all, ranked = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local was, made, until_ms = string.match(all[i + 1], '^(%a+) (%d+) (%d+)')
  local stands = was == 'active' and tonumber(until_ms) > now
  local rank = all[i] == ARGV[2] and math.huge or tonumber(made) + (stands and 1e15 or 0)
  ranked[#ranked + 1] = {rank, all[i]}
end
table.sort(ranked, function(a, b) return a[1] < b[1] end)
for i = 1, over do redis.call('HDEL', KEYS[1], ranked[i][2]) end
return {used and 'used' or 'made'}
