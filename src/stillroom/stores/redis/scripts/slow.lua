-- Let a call through unless its function is slow, or take note of how long one took; see `stillroom.guards.slowness`.
--
-- KEYS: what is known of the function; its history
-- ARGV: what to do; how many grades above the usual one are normal, the quantile, the halves of the window and of the baseline,
--       how many calls to judge by, for how long to refuse (times are in microseconds); the token of the call, if it has one, its
--       epoch, and the grade of how long it took, less than zero if that says nothing
--
-- Returns, to a call that asks, 1 if it is let through, or 0; the epoch, how long to wait, the grade for which calls are refused,
-- and the usual one. To whoever looks, the state, how many calls are recent, their grade or that for which calls are refused, the
-- usual one, and how long to wait. A grade is less than zero if there is none.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local stored = redis.call('GET', KEYS[1])
local at, mode, epoch, ends_at = 0, 'normal', 0, 0
if stored then at, mode, epoch, ends_at = cmsgpack.unpack_limit(stored, 3, 0) end
if ends_at <= now then stored, mode, epoch = false, 'normal', 0 end

local act, token = ARGV[1], ARGV[8]
if act == 'admit' and mode == 'normal' then return {1, epoch, 0, -1, -1} end

local distance, share, half, half_span = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local least, refuse_for = tonumber(ARGV[6]), tonumber(ARGV[7])
local block, span = math.floor(now / half), math.floor(now / half_span)

local state = {since = 0, measuring = {}, slow = -1, block = 0, now = {}, before = {}, usual = -1, settles_at = 0, moves_at = 0}
if stored then at, state = cmsgpack.unpack_one(stored, at) end

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

local function enter(what)
  mode, epoch, state.now, state.before, state.measuring = what, math.max(now, epoch + 1), {}, {}, {}
  if mode == 'normal' then state.slow = -1 end
end

local function left()
  return now >= state.since and math.max(state.since + refuse_for - now, 0) or 0
end

local function keep()
  local length = half_span * 2 + (mode == 'normal' and 0 or left())
  local milliseconds = math.ceil(length / 1000)
  redis.call('SET', KEYS[1], cmsgpack.pack(mode, epoch, now + length, state), 'PX', milliseconds)
  redis.call('PEXPIRE', KEYS[2], milliseconds)
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
  state.slow, state.since = found, now
  return true
end

local function count(took)
  if state.settles_at == 0 then
    state.settles_at, state.moves_at, state.block = now + half_span / 4, now + half_span / 4, block
    redis.call('DEL', KEYS[2])
  end
  if block ~= state.block then
    learn()
    state.before = block == state.block + 1 and state.now or {}
    state.now, state.block = {}, block
  end
  state.now[took] = (state.now[took] or 0) + 1
  if state.usual >= 0 and took - state.usual > distance then judge(together(state.now, state.before)) end
end

local function measure(took)
  state.now[took] = (state.now[took] or 0) + 1
  if total(state.now) >= least and not judge(state.now) then
    local measured = state.now
    enter('normal')
    state.block, state.now = block, measured
  end
end

local function wait()
  if mode == 'refusing' then
    local rest = left()
    return rest > 0 and 'refusing' or 'measuring', rest
  end
  local is_full = mode == 'measuring' and total(state.now) + total(state.measuring) >= least
  return mode, is_full and left() or 0
end

local function admit()
  local _, rest = wait()
  if rest > 0 or token == '' then return {0, epoch, math.ceil(rest), state.slow, state.usual} end
  if mode == 'refusing' then
    enter('measuring')
    state.since = now
  elseif left() <= 0 then
    state.measuring, state.since = {}, now
  end
  state.measuring[token] = 1
  keep()
  return {1, epoch, 0, state.slow, state.usual}
end

local function report()
  local took = tonumber(ARGV[10])
  local counts, gave_way = took >= 0 and tonumber(ARGV[9]) == epoch, state.measuring[token] ~= nil
  state.measuring[token] = nil
  if counts and mode == 'normal' then count(took) elseif counts then measure(took) end
  if counts or gave_way then keep() end
end

local function look()
  local what, rest = wait()
  local recent, age = state.now, block - state.block
  if mode ~= 'normal' or age <= 0 then recent = together(state.now, state.before) elseif age > 1 then recent = {} end
  return {what, total(recent), mode == 'normal' and quantile(recent) or state.slow, state.usual, math.ceil(rest)}
end

if act == 'admit' then return admit() end
if act == 'look' then return look() end
report()
