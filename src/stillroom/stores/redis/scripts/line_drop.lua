-- Take texts out of a line, and tell how many were there.
--
-- KEYS: the line
-- ARGV: those that leave
local count = 0
for at = 1, #ARGV do count = count + redis.call('ZREM', KEYS[1], ARGV[at]) end
return count
