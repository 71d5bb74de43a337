-- Let a call through if the bucket has room; see `stillroom.guards.rate`.
--
-- KEYS: when the bucket will be full again; until when everything is refused
-- ARGV: how many calls a period, the period, how many at once, the ban (times are in microseconds), and 1 to count the call, 0 to
--       only look
--
-- Returns whether it is let through, how many more would be, and how long to wait.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local interval, burst, ban = tonumber(ARGV[2]) / tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local banned = tonumber(redis.call('GET', KEYS[2]) or 0)
if now < banned then return {0, 0, banned - now} end
local owed = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0)
local wait = owed - interval * (burst - 1)
-- A difference of less than a microsecond is one of rounding.
local remaining = math.max(math.min(math.floor(burst - (owed - 1) / interval), burst), 0)
if wait >= 1 then
  if ARGV[5] == '1' and ban > 0 then
    redis.call('SET', KEYS[2], string.format('%.0f', now + ban), 'PX', math.ceil(ban / 1000))
    wait = math.max(wait, ban)
  end
  return {0, remaining, math.ceil(wait)}
end
if ARGV[5] ~= '1' then return {1, remaining, 0} end
local full_at = now + owed + interval
redis.call('SET', KEYS[1], string.format('%.3f', full_at), 'PX', math.max(math.ceil((full_at - now) / 1000), 1))
return {1, math.max(remaining - 1, 0), 0}
