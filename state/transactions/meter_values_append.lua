-- KEYS lease held events transaction values stray | ARGV epoch holder member transaction_id data compact received_ms
-- -> {'kept' | 'stray' | 'repeated', fence}
-- What has been stored is the field itself: an exact repeat finds it there, whenever it comes.
local f, outcome, new = fence(), 'kept', nil
if redis.call('EXISTS', KEYS[4]) == 1 then
  new = redis.call('HSETNX', KEYS[5], ARGV[6], ARGV[7])
else
  outcome, new = 'stray', keep_stray(KEYS[6], ARGV[4], ARGV[6], ARGV[7])
end
if new == 0 then return {'repeated', f} end
emit(KEYS[3], ARGV[3], 'meter_values', ARGV[5])
return {outcome, f}
