-- Raise the counter of a node, from which other nodes see that it lives.
-- KEYS nodes | ARGV incarnation -> {'counted'} | {'full'}
-- 'full' means that the memory of the server is full. The server then executes PERSIST, which changes nothing, and
-- after PERSIST also HINCRBY.
local raised = redis.pcall('HINCRBY', nodes, incarnation, 1)
if type(raised) == 'number' then return {'counted'} end
redis.call('PERSIST', nodes)
redis.call('HINCRBY', nodes, incarnation, 1)
return {'full'}
