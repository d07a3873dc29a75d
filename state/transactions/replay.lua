-- KEYS lease held events transaction | ARGV epoch holder member -> {'replayed', fence, answer} | {'gone', fence}
local f, answer = fence(), redis.call('HGET', KEYS[4], 'answer')
if not answer then return {'gone', f} end
return {'replayed', f, answer}
