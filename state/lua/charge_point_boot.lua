-- KEYS lease held events record | ARGV epoch holder member boot status -> {'ok' | 'newer' | 'lost'}
local f = fence()
if f == 'ok' then
  redis.call('HSET', KEYS[4], 'boot', ARGV[4], 'boot_status', ARGV[5], 'booted_ms', now_ms())
end
return {f}
