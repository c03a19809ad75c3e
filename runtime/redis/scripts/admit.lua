-- admit: puts tasks on a queue, one after the other. Call admit with the index at which
-- the arguments of a task begin: ID, envelope, when it is due in ms (0: now), level or
-- group, unique key, window in ms (0: until it is done). Call admitted after the last
-- one.
-- KEYS: meta body due wake uid uniq wins
--
-- A full server refuses this command only before the script has written. There is no
-- such member, so it changes nothing.
local full = redis.pcall('ZADD', due, 'XX', 0, '')
full = type(full) == 'table' and full.err
if full then
  if not string.find(full, 'OOM', 1, true) then return redis.error_reply(full) end
  redis.call('ZREM', due, '')
end
-- Tasks already due go before. promote_first returns the result of promote_and_reap_all.
local function promote_first()
  if kind == 'fifo' then return promote_and_reap_all() end
  promote_and_reap()
  return false
end
local soonest, ready, large = math.huge, false, false
local function admit(at, capacity, again)
  local id, envelope, time, place, key, window = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], ARGV[at + 4], tonumber(ARGV[at + 5])
  local was = redis.call('HGET', body, id)
  local holder = false
  if key ~= '' then
    holder = redis.call('HGET', uniq, key)
    local over = holder and tonumber(string.match(holder, '^%d+ (%d+) ')) or 0
    if over > 0 and over <= now then holder = false end
  end
  if was and again and was == envelope then return 0 end
  if holder then return holder end
  if was then return 1 end
  if capacity > 0 and redis.call('HLEN', body) >= capacity then return 2 end
  if full then return 3 end
  redis.call('HSET', body, id, envelope)
  large = large or #envelope > 16384
  if key ~= '' then
    local over = 0
    if window > 0 then
      over = upper + window
      redis.call('ZADD', wins, over, key)
    else
      redis.call('ZREM', wins, key)
      redis.call('HSET', uid, id, key)
    end
    redis.call('HSET', uniq, key, string.format('%.0f %.0f ', math.max(time, now), over) .. id)
  end
  if time > now then
    set_place(id, place)
    redis.call('ZADD', due, time, id)
    soonest = math.min(soonest, time)
  else
    enter(id, place)
    ready = true
  end
  return 0
end
local function admitted()
  if large then redis.call('HSET', meta, 'large', '1') end
  -- A process that waits for the first due task must wait for less.
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
  if ready or first and tonumber(first) == soonest or waiting() then signal() end
end
