-- release puts leased tasks back on the queue.
-- KEYS: meta body due lease crash wake ended
-- USES: clock lists|fifo|dead wake
-- ARGV: n, 0 or how often this call was sent before, and for each task: receipt,
--   ID, envelope, delay in ms
-- Returns: 0 when all were released, else their codes: 0 released, 1 the lease is lost.
--   A task released by an earlier sending of the call is recognised by its bytes. An
--   ended lease was not a crash if its worker can still say so: once for each,
--   whichever worker has the task now.
-- Cost: 3 commands a task; O(log N) each.
local n, again, codes, sooner = tonumber(ARGV[1]), ARGV[2] ~= '0', {}, false
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
local soonest, lost = first and tonumber(first) or math.huge, false
local function uncrash(receipt, id)
  if redis.call('ZREM', ended, receipt) == 0 then return false end
  if tonumber(redis.call('HGET', crash, id) or 0) > 0 and redis.call('HINCRBY', crash, id, -1) == 0 then
    redis.call('HDEL', crash, id)
  end
  return true
end
for i = 1, n do
  local at = 4 * i - 1
  local id, envelope, delay = ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  if redis.call('ZREM', lease, ARGV[at]) == 1 then
    codes[i] = 0
    redis.call('HSET', body, id, envelope)
    if delay > 0 then
      redis.call('ZADD', due, upper + delay, id)
      if upper + delay < soonest then soonest, sooner = upper + delay, true end
    else
      restore({id}, false)
      sooner = true
    end
  elseif uncrash(ARGV[at], id) then
    codes[i], lost = 1, true
  elseif again and redis.call('HGET', body, id) == envelope then
    codes[i] = 0
  else
    codes[i], lost = 1, true
  end
end
if sooner then signal() end
return lost and codes or 0
