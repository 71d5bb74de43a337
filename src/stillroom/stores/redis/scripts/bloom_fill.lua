-- Put an empty Bloom filter in the place of what is there, which is not whole; or say that it is whole now.
--
-- KEYS: the bits; how many members there are
-- ARGV: how many bits it has, and 1 to say that it is whole
--
-- Returns whether there is a filter.
if ARGV[2] == '1' then
  if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
  redis.call('SETBIT', KEYS[1], ARGV[1], 1)
else
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], 0)
end
return 1
