-- Prolong a lease, and tell whether it still stood.
--
-- KEYS: the leases on a key
-- ARGV: the token, the new length in milliseconds
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local now = redis.call('TIME')
local ends = now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[2])
for at = 1, #held - 23, 24 do
  if string.sub(held, at, at + 7) == ARGV[1] then
    held = string.sub(held, 1, at + 15) .. struct.pack('<d', ends) .. string.sub(held, at + 24)
    redis.call('SET', KEYS[1], held, 'PX', math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])))
    return 1
  end
end
return 0
