-- Called for each end of a SendLocalList: one that may have come through unheard makes what we know doubtful. The answer
-- to it ends the doubt, if no other command is behind it; state/features/local_lists.py ends it with a Full list.
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
