-- result_forget removes a result that has not been replaced since it was read.
-- KEYS: result
-- ARGV: its head, or all of one that has none
-- Returns: 1 removed, 0 not there any more
-- Cost: two commands, one of them O(size).
local there = redis.call('GET', result)
if there and (there == ARGV[1] or string.find(ARGV[1], '^[RF]') and string.sub(there, 1, #ARGV[1]) == ARGV[1]) then
  return redis.call('DEL', result)
end
return 0
