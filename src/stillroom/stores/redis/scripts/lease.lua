-- Take a lease on a key, and return the entry that is there.
--
-- KEYS: the entry, its leases
-- ARGV: a new token (8 bytes), the generations it begins under (8 bytes, all zero if they are not known yet), the lease's length
--       in milliseconds, and how: "join" those who load already, "alone" to be refused beside one that began under the same
--       generations, "renew" to void all others
--
-- The leases of a key are one string: 24 bytes for each, the token, the generations, and when it ends.
local function entry()
  local found = redis.pcall('GET', KEYS[1])
  return type(found) == 'string' and found  -- what somebody else has put there may be no string at all
end
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local length, how = tonumber(ARGV[3]), ARGV[4]
local held = how ~= 'renew' and redis.call('GET', KEYS[2]) or ''
local unknown = string.rep('\0', 8)
local standing, last = {}, now + length
for at = 1, #held - 23, 24 do
  local generations, ends = string.sub(held, at + 8, at + 15), struct.unpack('<d', held, at + 16)
  if ends > now then
    if string.sub(held, at, at + 7) == ARGV[1] then
      return {1, entry()}  -- the command was sent again
    end
    if how == 'alone' and (generations == ARGV[2] or generations == unknown or ARGV[2] == unknown) then
      return {0, entry()}
    end
    standing[#standing + 1] = string.sub(held, at, at + 23)
    last = math.max(last, ends)
  end
end
if #standing > 255 then table.remove(standing, 1) end
standing[#standing + 1] = ARGV[1] .. ARGV[2] .. struct.pack('<d', now + length)
redis.call('SET', KEYS[2], table.concat(standing), 'PX', last - now)
return {1, entry()}
