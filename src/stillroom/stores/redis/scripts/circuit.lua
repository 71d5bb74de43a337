-- Let a call through a circuit, or take note of how one has ended; see `stillroom.guards.circuit`.
--
-- KEYS: the circuit; nothing
-- ARGV: what to do; the error rate, the tenth part of the window, how many calls to judge by, for how long to open, the factor by
--       which that grows, its bound, how many trials there are, how long one may take (times are in microseconds); the epoch and
--       the token of the call, and how it has ended
--
-- Returns the state, how many calls have ended in the window, how many failed, how long to wait, the epoch, 1 if the call is let
-- through or 2 if as a trial, and what the circuit has become.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local act, rate, part, least, open_for = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local growth, longest, most, trial_for = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local epoch, token, ending = tonumber(ARGV[10]), ARGV[11], ARGV[12]
local parts, kept = 10, 3600 * 1000000

local fresh = {mode = 'closed', epoch = 0, until_ = 0, length = 0, passed = 0, counts = {}, trials = {}, ends_at = 0}
local stored = redis.call('GET', KEYS[1])
local state = stored and cmsgpack.unpack(stored) or fresh
if state.ends_at <= now then state = fresh end

local function enter(mode)
  state.mode, state.epoch, state.passed, state.trials = mode, math.max(now, state.epoch + 1), 0, {}
end

local function open(length)
  enter('open')
  state.length, state.until_ = length, now + length
  return 'open'
end

local function close()
  enter('closed')
  state.counts = {}
  return 'closed'
end

local function keep()
  local ends_at = now + part * parts
  if state.mode == 'open' then ends_at = ends_at + math.max(state.until_ - now, 0) end
  if state.mode == 'half_open' then ends_at = ends_at + trial_for end
  if state.epoch > 0 then ends_at = ends_at + kept end
  state.ends_at = ends_at
  redis.call('SET', KEYS[1], cmsgpack.pack(state), 'PX', math.ceil((ends_at - now) / 1000))
end

local function tally()
  local recent, calls, errors, last = {}, 0, 0, math.floor(now / part)
  for _, one in ipairs(state.counts) do
    if one[1] > last - parts and one[1] <= last then
      recent[#recent + 1] = one
      calls, errors = calls + one[2], errors + one[3]
    end
  end
  return recent, calls, errors
end

local function count(is_error)
  local recent, calls, errors = tally()
  local last = recent[#recent]
  if not last or last[1] ~= math.floor(now / part) then
    last = {math.floor(now / part), 0, 0}
    recent[#recent + 1] = last
  end
  last[2], last[3] = last[2] + 1, last[3] + is_error
  state.counts, calls, errors = recent, calls + 1, errors + is_error
  if calls >= least and errors / calls >= rate then return open(open_for) end
end

local function judge(is_error)
  if is_error == 1 then return open(math.min(state.length * growth, longest)) end
  state.passed = state.passed + 1
  if state.passed >= most then return close() end
end

local function look()
  if state.mode == 'open' then
    local wait = math.max(state.until_ - now, 0)
    return wait > 0 and 'open' or 'half_open', wait
  end
  local going = {}
  for _, ends_at in pairs(state.trials) do
    if ends_at > now then going[#going + 1] = ends_at end
  end
  table.sort(going)
  local beyond = state.passed + #going - most
  if state.mode == 'half_open' and beyond >= 0 and #going > 0 then
    return 'half_open', going[math.min(beyond, #going - 1) + 1] - now
  end
  return state.mode, 0
end

local function admit()
  local _, wait = look()
  if wait > 0 then return 0 end
  if state.mode == 'closed' then return 1 end
  if state.mode == 'open' then enter('half_open') end
  for one, ends_at in pairs(state.trials) do
    if ends_at <= now then state.trials[one] = nil end
  end
  state.trials[token] = now + trial_for
  keep()
  return 2
end

local function report()
  local became
  local counts, gave_way = ending ~= '' and epoch == state.epoch, state.trials[token] ~= nil
  state.trials[token] = nil
  if counts then
    local is_error = ending == 'failed' and 1 or 0
    if state.mode == 'closed' then became = count(is_error) else became = judge(is_error) end
  end
  if counts or gave_way then keep() end
  return became
end

local let_through, became = 0, nil
local before = state.mode
if act == 'admit' then let_through = admit()
elseif act == 'report' then became = report()
elseif act == 'open' then became = open(open_for) keep()
elseif act == 'close' then became = close() keep() end
if (act == 'open' or act == 'close') and became == before then became = nil end
local mode, wait = look()
local _, calls, errors = tally()
return {mode, calls, errors, math.ceil(wait), string.format('%.0f', state.epoch), let_through, became or ''}
