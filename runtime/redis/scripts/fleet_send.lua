-- fleet_send stores an order to a worker. A place is the server's time in microseconds,
-- or the last place plus one if that is taken.
-- KEYS: worker orders
-- USES: clock
-- ARGV: time to live in ms, text
-- Returns: the order's place as text; '0': there is no such worker
-- Cost: O(log N); six commands.
redis.call('ZREM', orders, '') -- see keep.lua
if redis.call('EXISTS', worker) == 0 then return '0' end
local last = redis.call('ZRANGE', orders, -1, -1, 'WITHSCORES')[2]
local place = string.format('%.0f', math.max(stamp[1] * 1000000 + stamp[2], tonumber(last or 0) + 1))
redis.call('ZADD', orders, place, place .. string.format(' %.0f ', upper + ARGV[1]) .. ARGV[2])
redis.call('PEXPIRE', orders, math.max(tonumber(ARGV[1]), redis.call('PTTL', orders)))
return place
