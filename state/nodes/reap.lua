-- KEYS lease held events | ARGV node member reason -> {'reaped'} | {'not_held'}
redis.call('SREM', KEYS[2], ARGV[2])
local l = redis.call('HMGET', KEYS[1], 'holder', 'node')
if not l[1] or l[1] == '' or l[2] ~= ARGV[1] then return {'not_held'} end
redis.call('HSET', KEYS[1], 'reaped', l[1]) -- A node that was only paused finds its sessions' leases by this.
vacate(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[3])
return {'reaped'}
