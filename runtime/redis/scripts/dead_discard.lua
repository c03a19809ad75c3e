-- dead_discard removes dead tasks that are not leased and have not changed.
-- KEYS: body due crash copies wake
-- ARGV: for each task: name, SHA-1 of the envelope it had
-- Returns: for each task 0 removed, 2 a worker has it or it is gone, 3 it has
--   changed: read it again
-- Cost: 6 commands a task; O(log N) each.
local codes = {}
for i = 1, #ARGV / 2 do
  local name, sum = ARGV[2 * i - 1], ARGV[2 * i]
  local was = redis.call('ZSCORE', due, name) and redis.call('HGET', body, name)
  if not was then
    codes[i] = 2
  elseif redis.sha1hex(was) ~= sum then
    codes[i] = 3
  else
    codes[i] = 0
    redis.call('HDEL', body, name)
    redis.call('ZREM', due, name)
    redis.call('HDEL', crash, name)
    redis.call('ZREM', copies, name)
  end
end
if redis.call('EXISTS', body) == 0 then redis.call('DEL', wake) end
return codes
