-- Say that a Bloom filter is whole now; see `stillroom.guards.filter_steps`.
--
-- KEYS: the bits; how many members there are, and the number of the last filling and of its steps so far
-- ARGV: how many bits it has, the number of the filling that is over, and that of its steps
--
-- Returns 1, or without having done anything 0 if any of it was lost, 2 if another filling has begun.
local last = tonumber(redis.call('HGET', KEYS[2], 'filling') or 0)
if last > tonumber(ARGV[2]) then return 2 end
if last < tonumber(ARGV[2]) or redis.call('HGET', KEYS[2], 'steps') ~= ARGV[3] then return 0 end
if redis.call('GETBIT', KEYS[1], ARGV[1] + 1) == 0 then return 0 end
redis.call('SETBIT', KEYS[1], ARGV[1], 1)
redis.call('HINCRBY', KEYS[2], 'steps', 1)
return 1
