-- Take a lease from a dead node.
-- KEYS lease held events | ARGV node member reason -> {'reaped'} | {'not_held'}
redis.call('SREM', held, member)
local holder, holding_node = unpack(redis.call('HMGET', lease, 'holder', 'node'))
if not holder or holder == '' or holding_node ~= node then return {'not_held'} end
redis.call('HSET', lease, 'reaped', holder) -- If the node was only paused, its session takes the lease back by this.
vacate(lease, held, events, member, reason)
return {'reaped'}
