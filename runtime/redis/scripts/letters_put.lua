-- letters_put stores dead tasks; each replaces an earlier one with its ID. A place is
-- the server's time in microseconds, or the last place plus one if that is taken:
-- places grow without a counter.
-- KEYS: body order
-- USES: clock
-- ARGV: ID and envelope for each
-- Returns: 0
-- Cost: O(log N) for each; two commands a task.
redis.call('HDEL', body, '') -- see keep.lua
local last = redis.call('ZRANGE', order, -1, -1, 'WITHSCORES')[2]
local place = math.max(stamp[1] * 1000000 + stamp[2], tonumber(last or 0) + 1)
for i = 1, #ARGV, 2 do
  redis.call('ZADD', order, string.format('%.0f', place), ARGV[i])
  redis.call('HSET', body, ARGV[i], ARGV[i + 1])
  place = place + 1
end
return 0
