-- enqueue_plain puts due tasks without unique keys on a standard queue without a
-- capacity.
-- KEYS: body wake lists
-- ARGV: n, 0 or how often this call was sent before, n IDs, n times ID and
--   envelope. The IDs of a call differ.
-- Returns: 0 when all were put, else their codes: 0 put, 1 the ID is on the queue. A
--   task put by an earlier sending of the call is recognised by its bytes, and counts
--   as put.
-- Cost: O(n); three commands and one for the signal.
local n = tonumber(ARGV[1])
local was = redis.call('HMGET', body, unpack(ARGV, 3, n + 2))
local clash = false
for i = 1, n do if was[i] then clash = true break end end
if not clash then
  redis.call('HSET', body, unpack(ARGV, n + 3, 3 * n + 2))
  redis.call('RPUSH', KEYS[lists + 1], unpack(ARGV, 3, n + 2))
  if redis.call('EXISTS', wake) == 0 then redis.call('RPUSH', wake, '1') end
  return 0
end
local codes = {}
for i = 1, n do
  local id, envelope = ARGV[i + 2], ARGV[n + 2 * i + 2]
  if not was[i] then
    redis.call('HSET', body, id, envelope)
    redis.call('RPUSH', KEYS[lists + 1], id)
    if redis.call('EXISTS', wake) == 0 then redis.call('RPUSH', wake, '1') end
    codes[i] = 0
  else
    codes[i] = ARGV[2] ~= '0' and was[i] == envelope and 0 or 1
  end
end
return codes
