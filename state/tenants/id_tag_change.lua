-- Replace the record of an id tag if it is as it was read.
-- KEYS tag | ARGV before after -> {'changed'} | {'again'}
if redis.call('GET', tag) ~= before then return {'again'} end
redis.call('SET', tag, after)
return {'changed'}
