-- A spell shows whether something happens often, in one text: 'level last_ms since_ms' (state/spells.py).

-- Return a spell after `weight` more events. The level falls by one in each `leak_ms`, and never exceeds `most`.
local function add_to_spell(spell, weight, most, leak_ms, now)
  local level, last_ms, since_ms = string.match(spell or '', '^(%S+) (%d+) (%d+)$')
  level = math.max(0, (level or 0) - math.max(0, now - (last_ms or now)) / leak_ms)
  if level == 0 then since_ms = now end
  return string.format('%.3f %.0f %.0f', math.min(most, level + weight), now, since_ms)
end
