-- Say that a Bloom filter is whole now; see `stillroom.guards.filter_steps`.
--
-- KEYS: the bits; how many members there are, and the number of the last filling
-- ARGV: how many bits it has, the number of the filling that is over
--
-- Returns 1, or without having done anything 0 if the filter was lost, 2 if another filling has begun.
local last, number = tonumber(redis.call('HGET', KEYS[2], 'filling') or 0), tonumber(ARGV[2])
if last > number then return 2 end
if last < number or redis.call('GETBIT', KEYS[1], ARGV[1] + 1) == 0 then return 0 end
redis.call('SETBIT', KEYS[1], ARGV[1], 1)
return 1
