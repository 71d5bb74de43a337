-- Tell who is in a line, the first one first.
--
-- KEYS: the line
return redis.call('ZRANGE', KEYS[1], 0, -1)
