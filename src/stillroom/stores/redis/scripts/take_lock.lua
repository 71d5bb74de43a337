-- Take a lock if it is free; return its holder's number, or nothing if somebody else holds it.
--
-- KEYS: the lock, the number of its last holder
-- ARGV: the owner, the length in milliseconds
--
-- The number outlives the lock by thirty days: nobody who held the lock before can still be at work by then.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  local number = redis.call('INCR', KEYS[2])
  redis.call('PEXPIRE', KEYS[2], math.max(2592000000, 2 * tonumber(ARGV[2])))
  return number
end
if redis.call('GET', KEYS[1]) == ARGV[1] then return tonumber(redis.call('GET', KEYS[2])) end
return false
