-- bury moves leased tasks to the dead of their queue.
-- KEYS: meta body due lease crash wake uid uniq sources dead_body dead_due dead_copies dead_wake
-- USES: clock lists|fifo wake unique
-- ARGV: n, 0 or how often this call was sent before, and for each task: receipt,
--   ID, envelope
-- Returns: -1 when the queue is itself a dead letter queue; 0 when all were buried,
--   else their codes: 0 buried, 1 the lease is lost. A task buried by an earlier
--   sending of the call is recognised by its bytes.
-- Cost: 6 commands a task; O(log N) each.
if redis.call('EXISTS', sources) == 1 then return -1 end
local n, again, codes, lost, gone = tonumber(ARGV[1]), ARGV[2] ~= '0', {}, false, {}
for i = 1, n do
  local receipt, id, envelope = ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2]
  if redis.call('ZREM', lease, receipt) == 1 then
    codes[i] = 0
    redis.call('HDEL', body, id)
    local name = id
    if redis.call('HEXISTS', dead_body, id) == 1 then
      -- A task of this ID is dead already. Both are kept.
      name = id .. '\255' .. string.match(receipt, '^%d+')
      redis.call('ZADD', dead_copies, 0, name)
    end
    redis.call('HSET', dead_body, name, envelope)
    redis.call('ZADD', dead_due, now, name)
    gone[#gone + 1] = id
  elseif again and redis.call('HGET', dead_body, id) == envelope then
    codes[i] = 0
  else
    codes[i], lost = 1, true
  end
end
if #gone > 0 then
  redis.call('HDEL', crash, unpack(gone))
  free_unique(gone)
  forget(gone)
  if kind == 'fifo' and waiting() then signal() end
  if redis.call('EXISTS', dead_wake) == 0 then redis.call('RPUSH', dead_wake, '1') end
end
return lost and codes or 0
