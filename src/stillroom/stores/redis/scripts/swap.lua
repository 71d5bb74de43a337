-- Put an entry in the place of the one that the caller has seen, void the leases on its key, and tell whether it was still there.
--
-- KEYS: the entry, its leases, the count of its reads
-- ARGV: what the caller has seen: the entry's stamp, "none", or "any"; the new entry (empty: none); its life in milliseconds
--       (0: no end); after when it is too late, since the caller has given up and may have said something else meanwhile (on
--       the server's clock, in milliseconds; 0: never); whether it is the same entry with other times, so that its reads go on
--       counting (1: yes)
local now = redis.call('TIME')
if ARGV[4] ~= '0' and now[1] * 1000 + now[2] / 1000 > tonumber(ARGV[4]) then return -1 end
if ARGV[1] ~= 'any' then
  local seen = redis.pcall('GETRANGE', KEYS[1], 5, 12)
  seen = type(seen) == 'string' and seen or ''  -- what somebody else has put there may be no string at all
  if seen ~= (ARGV[1] == 'none' and '' or ARGV[1]) then return 0 end
end
redis.call('DEL', KEYS[2])
if ARGV[5] ~= '1' then
  redis.call('DEL', KEYS[3])
elseif ARGV[3] == '0' then
  redis.call('PERSIST', KEYS[3])
else
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
elseif ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
