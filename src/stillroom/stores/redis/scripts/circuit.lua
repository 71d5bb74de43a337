-- Let a call through a circuit, or take note of how one has ended; see `stillroom.guards.circuit`.
--
-- KEYS: the circuit; nothing
-- ARGV: what to do; as doubles, the error rate, the tenth part of the window, how many calls to judge by, for how long to open,
--       the factor by which that grows, its bound, how many trials there are, how long one may take (times are in microseconds);
--       the token of the call, if it has one, its epoch, and how it has ended
--
-- Returns, to a call that asks, 1 if it is let through, 2 if as a trial, or 0; the epoch, how long to wait, and the state. To others
-- the state, how many calls have ended in the window, how many failed, and how long to wait: to whoever looks, and to whoever has
-- opened or closed the circuit.
local act, token = ARGV[1], ARGV[3]
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local stored = redis.call('GET', KEYS[1])
local at, mode, epoch, ends_at = 0, 'closed', 0, 0
if stored then at, mode, epoch, ends_at = cmsgpack.unpack_limit(stored, 3, 0) end
if ends_at <= now then stored, mode, epoch = false, 'closed', 0 end
if act == 'admit' and mode == 'closed' then return {1, epoch, 0, mode} end

local rate, part, least, open_for, growth, longest, most, trial_for = struct.unpack('>dddddddd', ARGV[2])
local parts, kept, number = 10, 3600 * 1000000, math.floor(now / part)
-- In `counts` there are, for each part of the window, its number, how many calls have ended in it, and how many failed.
local _, counts, trials, since, length, passed = 0, {}, {}, 0, 0, 0
if stored then _, counts, trials, since, length, passed = cmsgpack.unpack_limit(stored, 5, at) end

local function keep()
  local left = part * parts
  if epoch > 0 then left = left + kept end
  if mode == 'open' then left = left + length elseif mode == 'half_open' then left = left + trial_for end
  local state = cmsgpack.pack(mode, epoch, now + left, counts, trials, since, length, passed)
  redis.call('SET', KEYS[1], state, 'PX', math.ceil(left / 1000))
end

local function recent()
  local found, calls, errors = {}, 0, 0
  for at = 1, #counts, 3 do
    if counts[at] > number - parts and counts[at] <= number then
      found[#found + 1], found[#found + 2], found[#found + 3] = counts[at], counts[at + 1], counts[at + 2]
      calls, errors = calls + counts[at + 1], errors + counts[at + 2]
    end
  end
  return found, calls, errors
end

local function enter(what)
  mode, epoch, passed, trials = what, math.max(now, epoch + 1), 0, {}
  return true
end

local function open(long)
  since, length = now, long
  return enter('open')
end

local function count(is_error)
  local calls, errors
  counts, calls, errors = recent()
  local last = #counts - 2
  if counts[last] ~= number then
    last = last + 3
    counts[last], counts[last + 1], counts[last + 2] = number, 0, 0
  end
  counts[last + 1], counts[last + 2] = counts[last + 1] + 1, counts[last + 2] + is_error
  calls, errors = calls + 1, errors + is_error
  return calls >= least and errors / calls >= rate and open(open_for)
end

local counting = act == 'report' and ARGV[5] ~= '' and tonumber(ARGV[4]) == epoch
local has_changed = false
if counting and mode == 'closed' then  -- which most calls are: what follows here they do without
  has_changed = count(ARGV[5] == 'failed' and 1 or 0)
  keep()
  if not has_changed then return false end
end

local function close()
  counts = {}
  return enter('closed')
end

local function judge(is_error)
  if is_error then return open(math.min(length * growth, longest)) end
  passed = passed + 1
  return passed >= most and close()
end

local function wait()
  if mode == 'open' then
    local left = now >= since and since + length - now or 0
    if left > 0 then return 'open', left end
    return 'half_open', 0
  end
  local going = {}
  for _, given_up_at in pairs(trials) do
    if given_up_at > now then going[#going + 1] = given_up_at end
  end
  local beyond = passed + #going - most
  if mode == 'closed' or beyond < 0 or #going == 0 then return mode, 0 end
  table.sort(going)
  return mode, going[math.min(beyond, #going - 1) + 1] - now
end

local function look()
  local what, left = wait()
  local _, calls, errors = recent()
  return {what, calls, errors, math.ceil(left)}
end

local function admit()
  local what, left = wait()
  if left > 0 or token == '' then return {0, epoch, math.ceil(left), what} end
  if mode == 'open' then enter('half_open') end
  for one, given_up_at in pairs(trials) do
    if given_up_at <= now then trials[one] = nil end
  end
  trials[token] = now + trial_for
  keep()
  return {2, epoch, 0, mode}
end

local function report()
  local gave_way = trials[token] ~= nil
  trials[token] = nil
  if counting then has_changed = judge(ARGV[5] == 'failed') end
  if counting or gave_way then keep() end
end

if act == 'admit' then return admit() end
if act == 'look' or has_changed then return look() end
local before = mode
if act == 'report' then
  report()
else
  if act == 'open' then open(open_for) else close() end
  has_changed = mode ~= before
  keep()
end
return has_changed and look() or false
