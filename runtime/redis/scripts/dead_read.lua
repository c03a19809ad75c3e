-- dead_read reads dead tasks.
-- KEYS: body
-- USES: room
-- ARGV: how many bytes if there are several; names
-- Returns: envelopes, or "" for a task that is gone: fewer than names if there is no
--   room for more
-- Cost: two O(1) commands a task.
room = tonumber(ARGV[1])
local out = {}
for i = 2, #ARGV do
  if not fits(ARGV[i]) then break end
  out[i - 1] = redis.call('HGET', body, ARGV[i]) or ''
end
return out
