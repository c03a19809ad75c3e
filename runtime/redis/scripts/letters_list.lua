-- letters_list reads a page of dead tasks, in the order in which they were put.
-- KEYS: body order
-- ARGV: the place before the page, n
-- Returns: place and envelope for each, in turn
-- Cost: O(log N + n).
local out = redis.call('ZRANGE', order, '(' .. ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
for i = 1, #out, 2 do
  local id = out[i]
  out[i] = string.format('%.0f', tonumber(out[i + 1]))
  out[i + 1] = redis.call('HGET', body, id) or ''
end
return out
