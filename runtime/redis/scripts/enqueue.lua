-- enqueue puts tasks of any kind on a queue.
-- KEYS: meta body due lease crash wake uid uniq wins
-- USES: clock lists|fifo wake settle
-- ARGV: n, 0 or how often this call was sent before, capacity (0: none), and for
--   each task: ID, envelope, when it is due in ms (0: now), level or group,
--   unique key, window in ms (0: until it is done)
-- Returns: for each task 0 put, 1 the ID is on the queue, 2 the queue is full,
--   3 the server's memory is full, or "due until id" of the task that holds the
--   unique key. A task that an earlier sending of the call has put is told by its
--   bytes, and counts as put. MOREDUE on a fifo queue with more than 1024 tasks that
--   have become due: nothing was put.
-- Cost: one command, and 4 a task, 7 with a unique key; O(log N) for delayed ones.
local n, again, capacity = tonumber(ARGV[1]), ARGV[2] ~= '0', tonumber(ARGV[3])
-- A server that is full refuses this before the script has written, and nothing
-- after it. There is no such member: it changes nothing.
local full = redis.pcall('ZADD', due, 'XX', 0, '')
full = type(full) == 'table' and full.err
if full then
  if not string.find(full, 'OOM', 1, true) then return redis.error_reply(full) end
  redis.call('ZREM', due, '')
end
if kind == 'fifo' then
  -- What is due already goes before.
  local more = unsettled()
  if more then return more end
else
  settle()
end
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
local soonest, ready = first and tonumber(first) or math.huge, false
local codes, large = {}, false
for i = 1, n do
  local at = 6 * i - 2
  local id, envelope, time, place, key, window = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], ARGV[at + 4], tonumber(ARGV[at + 5])
  local was = redis.call('HGET', body, id)
  local holder = false
  if key ~= '' then
    holder = redis.call('HGET', uniq, key)
    local over = holder and tonumber(string.match(holder, '^%d+ (%d+) ')) or 0
    if over > 0 and over <= now then holder = false end
  end
  if was and again and was == envelope then
    codes[i] = 0
  elseif holder then
    codes[i] = holder
  elseif was then
    codes[i] = 1
  elseif capacity > 0 and redis.call('HLEN', body) >= capacity then
    codes[i] = 2
  elseif full then
    codes[i] = 3
  else
    codes[i] = 0
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
      hold(id, place)
      redis.call('ZADD', due, time, id)
      if time < soonest then soonest, ready = time, true end
    else
      enter(id, place)
      ready = true
    end
  end
end
if large then redis.call('HSET', meta, 'large', '1') end
if ready or waiting() then rouse() end
return codes
