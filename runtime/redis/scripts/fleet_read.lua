-- fleet_read reads what workers have said.
-- KEYS: worker
--   and the same key of each other worker
-- USES: clock
-- ARGV: none
-- Returns: the server's time in ms; for each worker what it has said, and the time that
--   it has left to live in ms: negative if it is gone
-- Cost: two O(1) commands a worker.
local out = {now}
for _, key in ipairs(KEYS) do
  out[#out + 1] = redis.call('GET', key) or ''
  out[#out + 1] = redis.call('PTTL', key)
end
return out
