-- Let a call through unless its function is slow, or take note of how long one took; see `stillroom.guards.slowness`.
--
-- KEYS: what is known of the function; its history
-- ARGV: what to do; as doubles, how many grades above the usual one are normal, the quantile, the halves of the window and of the
--       baseline, how many calls to judge by, for how long to refuse (times are in microseconds); the token of the call, if it has
--       one, its epoch, and the grade of how long it took, less than zero if that says nothing
--
-- Returns, to a call that asks, 1 if it is let through, or 0; the epoch, how long to wait, the grade for which calls are refused,
-- and the usual one. To whoever looks, the state, how many calls are recent, their grade or that for which calls are refused, the
-- usual one, and how long to wait. A grade is less than zero if there is none.
local act, token = ARGV[1], ARGV[3]
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local stored = redis.call('GET', KEYS[1])
local at, mode, epoch, ends_at = 0, 'normal', 0, 0
if stored then at, mode, epoch, ends_at = cmsgpack.unpack_limit(stored, 3, 0) end
if ends_at <= now then stored, mode, epoch = false, 'normal', 0 end
if act == 'admit' and mode == 'normal' then return {1, epoch, 0, -1, -1} end

local distance, share, half, half_span, least, refuse_for = struct.unpack('>dddddd', ARGV[2])
local number, length = math.floor(now / half), half_span * 2
local took = act == 'report' and tonumber(ARGV[4]) == epoch and tonumber(ARGV[5]) or -1
-- Most calls only count in the block that goes on, and need nothing of what stands behind it.
local _, block, usual, grades = 0, 0, -1, {}
if stored then at, block, usual, grades = cmsgpack.unpack_limit(stored, 3, at) end

local function store(more, length)
  local state = cmsgpack.pack(mode, epoch, now + length, block, usual, grades) .. more
  redis.call('SET', KEYS[1], state, 'PX', math.ceil(length / 1000))
end

if stored and took >= 0 and mode == 'normal' and block == number and (usual < 0 or took - usual <= distance) then
  grades[took] = (grades[took] or 0) + 1
  return store(string.sub(stored, at + 1), length)
end

local before, measuring, slow, since, settles_at, moves_at = {}, {}, -1, 0, 0, 0
if stored then _, before, measuring, slow, since, settles_at, moves_at = cmsgpack.unpack_limit(stored, 6, at) end

local function left()
  return now >= since and math.max(since + refuse_for - now, 0) or 0
end

local function keep()
  local length = mode == 'normal' and length or length + left()
  store(cmsgpack.pack(before, measuring, slow, since, settles_at, moves_at), length)
  -- The history is to outlive it, though nobody prolongs it again before the block is over.
  redis.call('PEXPIRE', KEYS[2], math.ceil((length + half) / 1000))
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

local function enter(what)
  mode, epoch, grades, before, measuring = what, math.max(now, epoch + 1), {}, {}, {}
  if mode == 'normal' then slow = -1 end
end

local function learn()
  local kept, span = redis.call('GET', KEYS[2]), math.floor(now / half_span)
  local history = kept and cmsgpack.unpack(kept) or {span = span, lately = {}, earlier = {}}
  if span ~= history.span then
    history.earlier = span == history.span + 1 and history.lately or {}
    history.lately, history.span = {}, span
  end
  history.lately = together(history.lately, grades)
  redis.call('SET', KEYS[2], cmsgpack.pack(history), 'PX', math.ceil(length / 1000))
  local all = together(history.lately, history.earlier)
  local found = quantile(all)
  if found < 0 or total(all) < least then return end
  if usual < 0 or now < settles_at then
    usual = found
  elseif now >= moves_at and found ~= usual then
    usual, moves_at = usual + (found > usual and 1 or -1), now + half_span / 4
  end
end

local function judge(recent)
  local found = quantile(recent)
  if total(recent) < least or usual < 0 or found < 0 or found - usual <= distance then return false end
  learn()
  enter('refusing')
  slow, since = found, now
  return true
end

local function count()
  if settles_at == 0 then
    settles_at, moves_at, block = now + half_span / 4, now + half_span / 4, number
    redis.call('DEL', KEYS[2])
  end
  if block ~= number then
    learn()
    before, grades, block = number == block + 1 and grades or {}, {}, number
  end
  grades[took] = (grades[took] or 0) + 1
  if usual >= 0 and took - usual > distance then judge(together(grades, before)) end
end

local function measure()
  grades[took] = (grades[took] or 0) + 1
  if total(grades) >= least and not judge(grades) then
    local measured = grades
    enter('normal')
    block, grades = number, measured
  end
end

local function wait()
  if mode == 'refusing' then
    local rest = left()
    return rest > 0 and 'refusing' or 'measuring', rest
  end
  local is_full = mode == 'measuring' and total(grades) + total(measuring) >= least
  return mode, is_full and left() or 0
end

local function admit()
  local _, rest = wait()
  if rest > 0 or token == '' then return {0, epoch, math.ceil(rest), slow, usual} end
  if mode == 'refusing' then
    enter('measuring')
    since = now
  elseif left() <= 0 then
    measuring, since = {}, now
  end
  measuring[token] = 1
  keep()
  return {1, epoch, 0, slow, usual}
end

local function report()
  local gave_way = measuring[token] ~= nil
  measuring[token] = nil
  if took >= 0 and mode == 'normal' then count() elseif took >= 0 then measure() end
  if took >= 0 or gave_way then keep() end
end

local function look()
  local what, rest = wait()
  local recent, age = grades, number - block
  if mode ~= 'normal' or age <= 0 then recent = together(grades, before) elseif age > 1 then recent = {} end
  return {what, total(recent), mode == 'normal' and quantile(recent) or slow, usual, math.ceil(rest)}
end

if act == 'admit' then return admit() end
if act == 'look' then return look() end
report()
