-- Report that an operator released a hold.
-- KEYS events | ARGV member event -> {'noted'}
redis.call('XTRIM', events, 'MINID', '~', 0) -- A full store refuses a step whose first write may take memory.
emit(events, member, 'hold.released', event)
return {'noted'}
