-- Let the token of a generation live at least as long as an entry that was loaded under it.
--
-- KEYS: the generation
-- ARGV: the token, the life in milliseconds (0: no end)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and ARGV[2] == '0' then
  redis.call('PERSIST', KEYS[1])
elseif left >= 0 and left < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
