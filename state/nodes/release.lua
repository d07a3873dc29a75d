-- KEYS lease held events | ARGV holder member reason -> {'released'} | {'not_held'}
-- A holder is unique, so it alone says whose lease this is, at whatever epoch it was re-adopted.
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return {'not_held'} end
vacate(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[3])
return {'released'}
