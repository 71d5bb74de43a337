-- Delete an entry, void the leases on its key, and return its header.
--
-- KEYS: the entry, its leases, the count of its reads
local start = redis.pcall('GETRANGE', KEYS[1], 0, 3)
local header = ''
if type(start) == 'string' and #start == 4 then  -- what somebody else has put there may be no string at all
  header = redis.call('GETRANGE', KEYS[1], 0, struct.unpack('<H', start, 3) - 1)
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return header
