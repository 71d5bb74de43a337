-- Add members to a Bloom filter, and tell whether there is one; see `stillroom.guards.filter`.
--
-- KEYS: the bits; how many members there are, those left out that were taken for members already
-- ARGV: how many bits it has, how many stand for a member, 1 to make a filter that is whole if there is none, and the bits that stand
--       for the members, one member after the other
local bits, hashes = tonumber(ARGV[1]), tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 0 then
  if ARGV[3] ~= '1' then return 0 end
  redis.call('DEL', KEYS[1])
  redis.call('SETBIT', KEYS[1], bits, 1)  -- one bit more than it needs tells that it is whole
end
local added = 0
for start = 4, #ARGV, hashes do
  local is_new = false
  for at = start, start + hashes - 1 do
    if redis.call('SETBIT', KEYS[1], ARGV[at], 1) == 0 then is_new = true end
  end
  if is_new then added = added + 1 end
end
redis.call('INCRBY', KEYS[2], added)
return 1
