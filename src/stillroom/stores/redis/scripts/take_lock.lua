-- Take a lock if it is free; return its holder's number, or nothing if others hold it.
--
-- KEYS: the holders, each with when its time is over; the number of the last holder
-- ARGV: the holder's token, the length in milliseconds, how many may hold it at a time
--
-- The number is that of the microsecond, or higher: where a server has lost the last one, or a new master never heard of it, it
-- goes on from there all the same. It outlives the lock by thirty days: nobody who held the lock before can still be at work by then.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local is_sent_again = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not is_sent_again and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return false end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])))
local number = math.max(time[1] * 1000000 + time[2], (redis.call('GET', KEYS[2]) or 0) + 1)
redis.call('SET', KEYS[2], string.format('%.0f', number), 'PX', math.max(2592000000, 2 * tonumber(ARGV[2])))
return number
