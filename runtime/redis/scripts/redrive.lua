-- redrive moves dead tasks back to the line of their queue.
-- KEYS: meta body due lease crash wake dead_body dead_due dead_crash dead_copies dead_wake
-- USES: clock lists|fifo wake
-- ARGV: for each task: name, ID, SHA-1 of the envelope it had, envelope, level or
--   group
-- Returns: for each task 0 moved, 1 the ID is on the queue again, 2 a worker has
--   it or it is gone, 3 it has changed: read it again
-- Cost: 8 commands a task; O(log N) each.
local codes = {}
for i = 1, #ARGV / 5 do
  local name, id, sum, envelope, place = unpack(ARGV, 5 * i - 4, 5 * i)
  local was = redis.call('ZSCORE', dead_due, name) and redis.call('HGET', dead_body, name)
  if not was then
    codes[i] = 2
  elseif redis.call('HEXISTS', body, id) == 1 then
    codes[i] = 1
  elseif redis.sha1hex(was) ~= sum then
    codes[i] = 3
  else
    codes[i] = 0
    redis.call('HDEL', dead_body, name)
    redis.call('ZREM', dead_due, name)
    redis.call('HDEL', dead_crash, name)
    redis.call('ZREM', dead_copies, name)
    redis.call('HSET', body, id, envelope)
    if #envelope > 16384 then redis.call('HSET', meta, 'large', '1') end
    enter(id, place)
    signal()
  end
end
if redis.call('EXISTS', dead_body) == 0 then redis.call('DEL', dead_wake) end
return codes
