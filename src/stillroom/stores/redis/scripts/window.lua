-- Let a call through if there were fewer than so many in the last period; see `stillroom.guards.rate`.
--
-- KEYS: the times of the calls that were let through, the latest first; until when everything is refused
-- ARGV: the limit, the period, nothing, the ban (times are in microseconds), and 1 to count the call, 0 to only look
--
-- Returns whether it is let through, how many more would be, and how long to wait.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local limit, period, ban = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local banned = tonumber(redis.call('GET', KEYS[2]) or 0)
if now < banned then return {0, 0, banned - now} end
local oldest = redis.call('LINDEX', KEYS[1], -1)
while oldest and tonumber(oldest) <= now - period do
  redis.call('RPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], -1)
end
local taken = redis.call('LLEN', KEYS[1])
if taken >= limit then
  local wait = tonumber(oldest) + period - now
  if ARGV[5] == '1' and ban > 0 then
    redis.call('SET', KEYS[2], string.format('%.0f', now + ban), 'PX', math.ceil(ban / 1000))
    wait = math.max(wait, ban)
  end
  return {0, 0, wait}
end
if ARGV[5] ~= '1' then return {1, limit - taken, 0} end
redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(period / 1000))
return {1, limit - taken - 1, 0}
