-- Give a lease back, and store an entry if the lease still stood; tell whether it did.
--
-- KEYS: the entry, its leases, the count of its reads
-- ARGV: the token, the entry (empty: store nothing), its life in milliseconds (0: no end), the stamp of the entry that it is the
--       same as, put off since a refresh has failed (empty: none): it takes the place of none but that, and its reads go on counting
local held = redis.call('GET', KEYS[2])
if not held then return 0 end
local rest, stood = {}, false
for at = 1, #held - 23, 24 do
  if string.sub(held, at, at + 7) == ARGV[1] then
    stood = true
  else
    rest[#rest + 1] = string.sub(held, at, at + 23)
  end
end
if not stood then return 0 end
if #rest == 0 then
  redis.call('DEL', KEYS[2])
else
  redis.call('SET', KEYS[2], table.concat(rest), 'PX', math.max(redis.call('PTTL', KEYS[2]), 1))
end
if ARGV[2] == '' then return 1 end
if ARGV[4] ~= '' and redis.pcall('GETRANGE', KEYS[1], 5, 12) ~= ARGV[4] then return 0 end  -- also where no string is
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
if ARGV[4] == '' then redis.call('DEL', KEYS[3]) end
return 1
