-- letters_delete removes stored dead tasks.
-- KEYS: body order
-- ARGV: IDs
-- Returns: for each 1 removed, 0 not there
-- Cost: O(log N) for each; two commands a task.
local codes = {}
for i = 1, #ARGV do
  codes[i] = redis.call('HDEL', body, ARGV[i])
  redis.call('ZREM', order, ARGV[i])
end
return codes
