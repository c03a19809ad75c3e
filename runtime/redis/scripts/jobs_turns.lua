-- jobs_turns: when each job is checked next, by its needs: what a scheduler must have
-- to fire it. turn has "needs NUL when NUL ID", with 16 digits of milliseconds, and
-- head the first time of each needs. alarm has the time of each ID, and place its
-- needs.
-- KEYS: alarm turn place head
local changed = {}
local function member(needs, at, id) return needs .. '\0' .. string.format('%016.0f', tonumber(at)) .. '\0' .. id end
-- set sets when a job is checked; nil: never.
local function set(id, needs, at)
  local had = redis.call('ZSCORE', alarm, id)
  local was = had and redis.call('HGET', place, id)
  if was then
    redis.call('ZREM', turn, member(was, had, id))
    changed[was] = true
  end
  if at then
    redis.call('ZADD', alarm, at, id)
    redis.call('HSET', place, id, needs)
    redis.call('ZADD', turn, 0, member(needs, at, id))
    changed[needs] = true
  else
    redis.call('ZREM', alarm, id)
    redis.call('HDEL', place, id)
  end
end
-- heads updates head after calls of set.
local function heads()
  for needs in pairs(changed) do
    local first = redis.call('ZRANGE', turn, '[' .. needs .. '\0', '(' .. needs .. '\1', 'BYLEX', 'LIMIT', 0, 1)[1]
    if first then
      redis.call('ZADD', head, string.format('%.0f', tonumber(string.sub(first, #needs + 2, #needs + 17))), needs)
    else
      redis.call('ZREM', head, needs)
    end
  end
end
