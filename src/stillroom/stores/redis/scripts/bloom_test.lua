-- Tell whether something may be in a Bloom filter, and how many members there are; nothing unless there is one that is whole.
--
-- KEYS: the bits; how many members there are
-- ARGV: how many bits it has, and those that stand for what is asked for
local members = redis.call('HGET', KEYS[2], 'members')
if not members or redis.call('GETBIT', KEYS[1], ARGV[1]) == 0 then return false end
for at = 2, #ARGV do
  if redis.call('GETBIT', KEYS[1], ARGV[at]) == 0 then return {0, tonumber(members)} end
end
return {1, tonumber(members)}
