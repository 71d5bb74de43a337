-- Put texts at the end of a line, wherever they stood before, and tell which have to leave; see `stillroom.guards.line`.
--
-- KEYS: the line
-- ARGV: how many there may be, and those that come
--
-- Returns those that have left, the first one first.
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] or 0
for at = 2, #ARGV do
  redis.call('ZADD', KEYS[1], string.format('%.0f', last + at - 1), ARGV[at])
end
local left = {}
local surplus = redis.call('ZCARD', KEYS[1]) - ARGV[1]
if surplus > 0 then
  local found = redis.call('ZPOPMIN', KEYS[1], surplus)
  for at = 1, #found, 2 do left[#left + 1] = found[at] end
end
return left
