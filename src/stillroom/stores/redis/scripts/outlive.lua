-- Let the token of a generation live at least as long as an entry that was loaded under it.
--
-- KEYS: the generation
-- ARGV: the token, the life that is needed in milliseconds (0: no end), and the one to give it if its own is shorter
--
-- Returns what is left of its life then, -1 if it has no end, 0 if another token is in its place.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then return left end
if ARGV[2] == '0' then
  redis.call('PERSIST', KEYS[1])
elseif left < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return redis.call('PTTL', KEYS[1])
