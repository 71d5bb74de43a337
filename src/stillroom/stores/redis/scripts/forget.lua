-- Forget what a guard has counted.
--
-- KEYS: all that it keeps
return redis.call('DEL', unpack(KEYS))
