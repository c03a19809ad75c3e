-- result_forget removes a result that has not been replaced since it was read.
-- KEYS: result mark
-- ARGV: the result and its mark as they were read; '' for no mark
-- Returns: how many keys it removed
-- Cost: three commands, one of them O(size).
if redis.call('GET', result) == ARGV[1] and (redis.call('GET', mark) or '') == ARGV[2] then
  return redis.call('DEL', result, mark)
end
return 0
