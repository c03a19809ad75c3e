-- fleet_described reads the sums of the descriptions of types that have not expired.
-- KEYS: places ends
-- USES: clock
-- ARGV: none
-- Returns: the sums, in the order of their places
-- Cost: O(N).
local out = {}
for _, sum in ipairs(redis.call('ZRANGE', places, 0, -1)) do
  if tonumber(redis.call('ZSCORE', ends, sum) or 0) > now then out[#out + 1] = sum end
end
return out
