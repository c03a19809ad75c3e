-- fleet_heartbeat stores what a worker says, even on a server whose memory is full, and
-- reads the orders to it.
-- KEYS: worker orders workers
-- USES: clock
-- ARGV: ID, what it says, time to live in ms, the last order that it has carried out (0:
--   none), time to live in ms of the set of all workers
-- Returns: place and text of each order, in turn
-- Cost: O(log N + n); six commands.
redis.call('ZREMRANGEBYSCORE', orders, '-inf', ARGV[4]) -- first: see keep.lua
redis.call('SET', worker, ARGV[2], 'PX', ARGV[3])
redis.call('SADD', workers, ARGV[1])
redis.call('PEXPIRE', workers, ARGV[5])
local out = {}
for _, order in ipairs(redis.call('ZRANGE', orders, 0, -1)) do
  local place, ends, text = string.match(order, '^(%d+) (%d+) (.*)$')
  if tonumber(ends) > now then
    out[#out + 1] = place
    out[#out + 1] = text
  end
end
return out
