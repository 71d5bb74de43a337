-- Take a lock if it is free; return its holder's number, or nothing if others hold it.
--
-- KEYS: the holders, each with when its time is over; the number of the last holder; the token of one who waits
-- ARGV: the holder's token, the length in milliseconds, how many may hold it at a time, 1 if it was not free when first asked for
--
-- Who waits is remembered for longer than until he asks again. Meanwhile those who have not waited do not get the lock: else whoever lets
-- it go, and wants it again at once, would always be faster.
--
-- The number is that of the microsecond, or higher: where a server has lost the last one, or a new master never heard of it, it
-- goes on from there all the same. It outlives the lock by thirty days: nobody who held the lock before can still be at work by then.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local waiter, holders, is_sent_again = redis.call('GET', KEYS[3]), redis.call('ZCARD', KEYS[1]), false
if holders > 0 then
  holders = holders - redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  is_sent_again = redis.call('ZSCORE', KEYS[1], ARGV[1])
end
local is_free = holders < tonumber(ARGV[3]) and (ARGV[4] == '1' or not waiter)
if not is_free and not is_sent_again then
  if ARGV[4] == '1' then redis.call('SET', KEYS[3], ARGV[1], 'PX', 200) end
  return false
end
if waiter == ARGV[1] then redis.call('DEL', KEYS[3]) end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], holders > 0 and math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])) or ARGV[2])
local number = math.max(time[1] * 1000000 + time[2], (redis.call('GET', KEYS[2]) or 0) + 1)
redis.call('SET', KEYS[2], string.format('%.0f', number), 'PX', math.max(2592000000, 2 * tonumber(ARGV[2])))
return number
