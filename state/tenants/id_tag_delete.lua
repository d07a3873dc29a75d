-- Delete the record of an id tag if it is as it was read.
-- KEYS tag | ARGV before -> {'changed'} | {'again'}
if redis.call('GET', tag) ~= before then return {'again'} end
redis.call('UNLINK', tag)
return {'changed'}
