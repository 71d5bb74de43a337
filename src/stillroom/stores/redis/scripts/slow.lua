-- Let a call through unless its function is slow, or take note of how long one took; see `stillroom.guards.slowness`.
--
-- KEYS: what is known of the function; its history
-- ARGV: what to do; how many grades above the usual one are normal, the quantile, the halves of the window and of the baseline,
--       how many calls to judge by, for how long to refuse (times are in microseconds); the epoch of the call, and the grade of
--       how long it took, less than zero if that says nothing
--
-- Returns the state, how many calls are recent and their grade, if that was asked for; or the grade for which calls are refused; the
-- usual one (each less than zero if there is none); how long to wait, the epoch, and 1 if the call is let through.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local act, distance, share, half, half_span = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local least, refuse_for, epoch, took = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local block, span = math.floor(now / half), math.floor(now / half_span)

local stored = redis.call('GET', KEYS[1])
local state = stored and cmsgpack.unpack(stored)
if not state or state.ends_at <= now then
  redis.call('DEL', KEYS[2])
  state = {
    mode = 'normal', epoch = 0, until_ = 0, measuring = 0, slow = -1, block = 0, now = {}, before = {}, usual = -1,
    settles_at = 0, moves_at = 0, ends_at = 0
  }
end

local function total(grades)
  local sum = 0
  for _, count in pairs(grades) do sum = sum + count end
  return sum
end

local function together(one, other)
  local sum = {}
  for grade, count in pairs(one) do sum[grade] = count end
  for grade, count in pairs(other) do sum[grade] = (sum[grade] or 0) + count end
  return sum
end

local function quantile(grades)
  local sorted, all, seen = {}, total(grades), 0
  for grade in pairs(grades) do sorted[#sorted + 1] = grade end
  table.sort(sorted)
  for _, grade in ipairs(sorted) do
    seen = seen + grades[grade]
    if seen / all >= share then return grade end
  end
  return -1
end

local function enter(mode)
  state.mode, state.epoch, state.now, state.before, state.measuring = mode, math.max(now, state.epoch + 1), {}, {}, 0
  if mode == 'normal' then state.slow = -1 end
end

local function keep()
  local from = state.mode == 'normal' and now or math.max(now, state.until_)
  state.ends_at = from + half_span * 2
  local left = math.ceil((state.ends_at - now) / 1000)
  redis.call('SET', KEYS[1], cmsgpack.pack(state), 'PX', left)
  redis.call('PEXPIRE', KEYS[2], left)
end

local function learn()
  local kept = redis.call('GET', KEYS[2])
  local history = kept and cmsgpack.unpack(kept) or {span = span, lately = {}, earlier = {}}
  if span ~= history.span then
    history.earlier = span == history.span + 1 and history.lately or {}
    history.lately, history.span = {}, span
  end
  history.lately = together(history.lately, state.now)
  redis.call('SET', KEYS[2], cmsgpack.pack(history), 'PX', math.ceil(half_span * 2 / 1000))
  local all = together(history.lately, history.earlier)
  local found = quantile(all)
  if found < 0 or total(all) < least then return end
  if state.usual < 0 or now < state.settles_at then
    state.usual = found
  elseif now >= state.moves_at and found ~= state.usual then
    state.usual = state.usual + (found > state.usual and 1 or -1)
    state.moves_at = now + half_span / 4
  end
end

local function judge(recent)
  local found = quantile(recent)
  if total(recent) < least or state.usual < 0 or found < 0 or found - state.usual <= distance then return false end
  learn()
  enter('refusing')
  state.slow, state.until_ = found, now + refuse_for
  return true
end

local function count()
  if state.settles_at == 0 then
    state.settles_at, state.moves_at, state.block = now + half_span / 4, now + half_span / 4, block
  end
  if block ~= state.block then
    learn()
    state.before = block == state.block + 1 and state.now or {}
    state.now, state.block = {}, block
  end
  state.now[took] = (state.now[took] or 0) + 1
  if state.usual >= 0 and took - state.usual > distance then judge(together(state.now, state.before)) end
end

local function measure()
  if took < 0 then
    state.measuring = state.measuring - 1
    return
  end
  state.now[took] = (state.now[took] or 0) + 1
  if total(state.now) >= least and not judge(state.now) then
    local measured = state.now
    enter('normal')
    state.block, state.now = block, measured
  end
end

local function look()
  if state.mode == 'refusing' then
    local wait = math.max(state.until_ - now, 0)
    return wait > 0 and 'refusing' or 'measuring', wait
  end
  if state.mode == 'measuring' and state.measuring >= least then return 'measuring', math.max(state.until_ - now, 0) end
  return state.mode, 0
end

local function admit()
  local _, wait = look()
  if wait > 0 then return 0 end
  if state.mode == 'normal' then return 1 end
  if state.mode == 'refusing' then enter('measuring') end
  if now >= state.until_ then state.measuring, state.until_ = total(state.now), now + refuse_for end
  state.measuring = state.measuring + 1
  keep()
  return 1
end

local let_through = 0
if act == 'admit' then
  let_through = admit()
elseif act == 'report' and epoch == state.epoch and (state.mode == 'measuring' or took >= 0) then
  if state.mode == 'measuring' then measure() else count() end
  keep()
end
local mode, wait = look()
local calls, found = 0, state.slow
if act == 'look' then
  local recent = together(state.now, state.before)
  if state.mode == 'normal' then
    if block - state.block > 1 then recent = {} elseif block - state.block == 1 then recent = state.now end
    found = quantile(recent)
  end
  calls = total(recent)
end
if let_through == 1 then wait = 0 end
return {mode, calls, found, state.usual, math.ceil(wait), string.format('%.0f', state.epoch), let_through}
