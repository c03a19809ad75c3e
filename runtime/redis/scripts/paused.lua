-- paused reads the pause of a queue.
-- KEYS: meta
-- USES: clock
-- ARGV:
-- Returns: 0 not paused, 1 paused, or when the pause ends in ms
-- Cost: one O(1) command.
local state = redis.call('HGET', meta, 'paused')
if not state then return 0 end
local ends = tonumber(state) or 1
if ends > 1 and ends <= now then return 0 end
return ends
