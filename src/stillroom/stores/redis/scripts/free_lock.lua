-- Give a lock back, if it is still the owner's, and tell whether it was.
--
-- KEYS: the lock
-- ARGV: the owner
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
