-- KEYS remote_starts command | ARGV id expected limit lasts_ms -> {'expected' | 'full' | 'fulfilled'}
if redis.call('HEXISTS', KEYS[2], 'transaction') == 1 then return {'fulfilled'} end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return {'full'} end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'expected'}
