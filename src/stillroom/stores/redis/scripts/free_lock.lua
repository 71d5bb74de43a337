-- Give a lock back, if it is still held, and tell whether it was.
--
-- KEYS: the holders
-- ARGV: the holder's token
return redis.call('ZREM', KEYS[1], ARGV[1])
