-- letters_swap replaces or removes stored dead tasks that have not changed. A task that
-- is changed already, because the reply to the same call was lost, counts as done.
-- KEYS: body order
-- ARGV: for each task: ID, SHA-1 of the envelope it had, its new envelope or ""
-- Returns: for each task 0 done, 2 it is gone, 3 it has changed: read it again
-- Cost: 3 commands a task; O(log N) each.
redis.call('HDEL', body, '') -- see keep.lua
local codes = {}
for i = 1, #ARGV / 3 do
  local id, sum, envelope = unpack(ARGV, 3 * i - 2, 3 * i)
  local was = redis.call('HGET', body, id)
  if not was then
    codes[i] = 2
  elseif was ~= envelope and redis.sha1hex(was) ~= sum then
    codes[i] = 3
  else
    codes[i] = 0
    if envelope == '' then
      redis.call('HDEL', body, id)
      redis.call('ZREM', order, id)
    else
      redis.call('HSET', body, id, envelope)
    end
  end
end
return codes
