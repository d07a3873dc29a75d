-- A stored JSON object may end with `since_ms`, the time since which it is true.
local SINCE = ',"since_ms":(%d+)}$'

-- Return the object with the `since_ms` of `before`, which says the same, or with the present time.
local function with_since(object, before)
  local since = string.match(before or '', SINCE) or string.format('%.0f', now_ms())
  return string.sub(object, 1, -2) .. ',"since_ms":' .. since .. '}'
end
