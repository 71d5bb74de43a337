-- Take a lock if it is free; return its holder's number, or nothing if others hold it.
--
-- KEYS: the holders, each with when its time is over; the number of the last holder
-- ARGV: the holder's token, the length in milliseconds, how many may hold it at a time
--
-- The number outlives the lock by thirty days: nobody who held the lock before can still be at work by then.
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return tonumber(redis.call('GET', KEYS[2])) end  -- the command was sent again
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return false end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])))
local number = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], math.max(2592000000, 2 * tonumber(ARGV[2])))
return number
