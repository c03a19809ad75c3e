-- letters_list reads a page of stored dead tasks, in the order in which they were put.
-- KEYS: body order
-- USES: room
-- ARGV: the place before the page, n, how many bytes of envelopes if there are several
-- Returns: place and envelope for each, in turn: fewer than n at the end, or if there
--   is no room for more
-- Cost: O(log N + n).
room = tonumber(ARGV[3])
local out = redis.call('ZRANGE', order, '(' .. ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
for i = 1, #out, 2 do
  local id = out[i]
  if not fits(id) then
    for k = #out, i, -1 do out[k] = nil end
    break
  end
  out[i] = string.format('%.0f', tonumber(out[i + 1]))
  out[i + 1] = redis.call('HGET', body, id) or ''
end
return out
