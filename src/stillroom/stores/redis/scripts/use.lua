-- Count a read of an entry, if there is one, and return how many there have been before.
--
-- KEYS: the entry, the count of its reads
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return 0 end
local uses = redis.call('INCR', KEYS[2])
if left >= 0 then redis.call('PEXPIRE', KEYS[2], math.max(left, 1)) end
return uses - 1
