-- Tell whether something may be in a Bloom filter, or how many members there are; nothing unless there is a filter that is whole.
--
-- KEYS: the bits; how many members there are
-- ARGV: how many bits it has, and those that stand for what is asked for; without these, the number of members is
if redis.call('GETBIT', KEYS[1], ARGV[1]) == 0 then return false end
for at = 2, #ARGV do
  if redis.call('GETBIT', KEYS[1], ARGV[at]) == 0 then return 0 end
end
return #ARGV > 1 and 1 or tonumber(redis.call('HGET', KEYS[2], 'members') or 0)
