-- complete removes leased tasks from the queue for good.
-- KEYS: meta body due lease crash wake uid uniq
-- USES: lists|fifo|dead wake unique
-- ARGV: n, how often this call was sent before, n receipts, n IDs
-- Returns: 0 when all were done, else their codes: 0 done, 1 the lease is lost,
--   2 the lease is lost and the task is gone.
-- Cost: O(n) and O(log N) for each lease; three commands for the batch, more
--   where tasks of the queue have crashed, have unique keys, levels or groups.
local n = tonumber(ARGV[1])
local held = redis.call('ZMSCORE', lease, unpack(ARGV, 3, n + 2))
local ids, codes
for i = 1, n do if not held[i] then codes = {} break end end
if not codes then
  redis.call('ZREM', lease, unpack(ARGV, 3, n + 2))
  redis.call('HDEL', body, unpack(ARGV, n + 3, 2 * n + 2))
  ids = ARGV
else
  ids = {}
  for i = 1, n do
    local id = ARGV[n + 2 + i]
    if held[i] and redis.call('ZREM', lease, ARGV[i + 2]) == 1 then
      redis.call('HDEL', body, id)
      ids[#ids + 1] = id
      codes[i] = 0
    else
      codes[i] = 1 + 1 - redis.call('HEXISTS', body, id)
    end
  end
  if #ids == 0 then return codes end
end
if kind ~= 'lists' or levels > 1 or redis.call('EXISTS', crash, uid) > 0 then
  if ids == ARGV then ids = {unpack(ARGV, n + 3, 2 * n + 2)} end
  redis.call('HDEL', crash, unpack(ids))
  free_unique(ids)
  forget(ids)
  if kind == 'fifo' and waiting() then signal() end
end
if redis.call('EXISTS', body) == 0 then redis.call('DEL', wake) end
return codes or 0
