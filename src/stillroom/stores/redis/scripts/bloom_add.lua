-- Add members to a Bloom filter; see `stillroom.guards.filter_steps`.
--
-- KEYS: the bits; how many members there are, those left out that were taken for members already, and the number of the last filling
--       and of its steps so far
-- ARGV: how many bits it has, how many stand for a member, 1 to make a filter that is whole if there is none, the number of the filling
--       that adds them or 0, that of its steps so far, and the bits that stand for the members, one member after the other
--
-- Returns 1, or without having done anything 0 if there is no filter or not all of it, 2 if another filling has begun.
local hashes, filling = tonumber(ARGV[2]), tonumber(ARGV[4])
if redis.call('EXISTS', KEYS[1]) == 0 then
  if ARGV[3] ~= '1' or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end  -- half of a filter is what is left of one
  redis.call('SETBIT', KEYS[1], ARGV[1], 1)  -- one bit more than it needs tells that it is whole
elseif filling > 0 then
  local last = tonumber(redis.call('HGET', KEYS[2], 'filling') or 0)
  if last > filling then return 2 end
  if last < filling or redis.call('HGET', KEYS[2], 'steps') ~= ARGV[5] then return 0 end
  redis.call('HINCRBY', KEYS[2], 'steps', 1)
end
local added = 0
for start = 6, #ARGV, hashes do
  local is_new = false
  for at = start, start + hashes - 1 do
    if redis.call('SETBIT', KEYS[1], ARGV[at], 1) == 0 then is_new = true end
  end
  if is_new then added = added + 1 end
end
redis.call('HINCRBY', KEYS[2], 'members', added)
return 1
