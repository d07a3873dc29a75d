-- This function is called whenever a SendLocalList ends. If the charge point may have carried out the command
-- without our knowledge, the stored copy of its list becomes doubtful. A late answer to the same command ends
-- the doubt, unless another command caused a doubt too. An accepted Full list also ends the doubt
-- (state/features/local_lists.py).
local function watch_local_list(list, stream, member, id, status)
  local VERSION, STALE = '"list_version":(%-?%d+)', '"stale":true' -- In the JSON of `accepted_head`.
  local accepted, doubt = unpack(redis.call('HMGET', list, 'accepted_head', 'doubt'))
  if not accepted then return end
  if status == 'answered' and doubt == id then
    redis.call('HDEL', list, 'doubt')
  elseif status == 'timeout' or status == 'unknown' or status == 'error' then
    redis.call('HSET', list, 'doubt', (doubt or id) == id and id or 'several')
    if not doubt and not string.find(accepted, STALE, 1, true) then
      emit(stream, member, 'local_list.stale', '{"list_version":' .. string.match(accepted, VERSION) ..
        ',"command":"' .. id .. '","status":"' .. status .. '"}')
    end
  else
    return
  end
  redis.call('HINCRBY', list, 'version', 1)
end
