-- Raise the counter of a node, from which other nodes see that it lives.
-- KEYS nodes | ARGV incarnation -> {'counted'}
-- PERSIST changes nothing. But the server executes PERSIST even if its memory is full, and then also HINCRBY.
redis.call('PERSIST', nodes)
redis.call('HINCRBY', nodes, incarnation, 1)
return {'counted'}
