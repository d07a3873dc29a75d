-- Called for each end of a SendLocalList: one that may have come through unheard makes what we know doubtful. The answer
-- to it ends the doubt, if no other command is behind it; state/features/local_lists.py ends it with a Full list.
local function watch_local_list(list, stream, member, id, status)
  local known = redis.call('HMGET', list, 'accepted_head', 'doubt')
  if not known[1] then return end
  if status == 'answered' and known[2] == id then
    redis.call('HDEL', list, 'doubt')
  elseif status == 'timeout' or status == 'unknown' or status == 'error' then
    redis.call('HSET', list, 'doubt', (known[2] or id) == id and id or 'several')
    if not known[2] and not string.find(known[1], '"stale":true', 1, true) then
      local version = string.match(known[1], '"list_version":(%-?%d+)')
      emit(stream, member, 'local_list.stale',
        '{"list_version":' .. version .. ',"command":"' .. id .. '","status":"' .. status .. '"}')
    end
  else
    return
  end
  redis.call('HINCRBY', list, 'version', 1)
end
