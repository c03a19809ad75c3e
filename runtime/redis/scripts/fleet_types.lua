-- fleet_types stores descriptions of types, and removes those that have expired. A place
-- is the server's time in microseconds, or the last place plus one if that is taken.
-- KEYS: types places ends
-- USES: clock
-- ARGV: time to live in ms; for each its sum, and the description, or '' if the server
--   should have it
-- Returns: for each 0, or 1 if the server does not have it
-- Cost: O(log N) and four commands for each; O(log N) for each that has expired.
redis.call('HDEL', types, '') -- see keep.lua
for _, sum in ipairs(redis.call('ZRANGE', ends, '-inf', string.format('%.0f', now), 'BYSCORE')) do
  redis.call('HDEL', types, sum)
  redis.call('ZREM', places, sum)
  redis.call('ZREM', ends, sum)
end
local last = redis.call('ZRANGE', places, -1, -1, 'WITHSCORES')[2]
local place = math.max(stamp[1] * 1000000 + stamp[2], tonumber(last or 0) + 1)
local codes = {}
for i = 2, #ARGV, 2 do
  local sum, text = ARGV[i], ARGV[i + 1]
  if text ~= '' then redis.call('HSET', types, sum, text) end
  if text == '' and redis.call('HEXISTS', types, sum) == 0 then
    codes[#codes + 1] = 1
  else
    codes[#codes + 1] = 0
    redis.call('ZADD', places, string.format('%.0f', place), sum)
    redis.call('ZADD', ends, string.format('%.0f', upper + ARGV[1]), sum)
    place = place + 1
  end
end
local latest = redis.call('ZRANGE', ends, -1, -1, 'WITHSCORES')[2]
if latest then
  for _, key in ipairs({types, places, ends}) do redis.call('PEXPIRE', key, latest - now) end
end
return codes
