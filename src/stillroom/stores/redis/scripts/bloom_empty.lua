-- Put an empty Bloom filter, which is not whole, in the place of what is there.
--
-- KEYS: the bits; how many members there are, and the number of the last filling and of its steps so far
-- ARGV: how many bits it has
--
-- Returns the number of the filling that begins: higher than those before, also where these were lost.
local now = redis.call('TIME')
local last = tonumber(redis.call('HGET', KEYS[2], 'filling') or 0)
local number = math.max(now[1] * 1000000 + now[2], last + 1)
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SETBIT', KEYS[1], ARGV[1] + 1, 1)  -- tells, when all are in, that the server has not lost the bits meanwhile
redis.call('HSET', KEYS[2], 'members', 0, 'filling', string.format('%.0f', number), 'steps', 0)
return number
