-- adopt takes values out of the inbox and puts their tasks on the queue, as enqueue
-- does. A process that dies before it leaves them where they are.
-- KEYS: inbox
-- USES: clock lists|fifo wake promote_and_reap admit
-- ARGV: n, capacity (0: none), and for each task: the value in the inbox, ID,
--   envelope, when it is due in ms (0: now), level or group, unique key, window in ms
-- Returns: for each task a code as enqueue, or -1: another process was faster. It stops
--   at the first task without room, which stays in the inbox with those behind it.
--   MOREDUE as enqueue.
-- Cost: as enqueue, and one command a task.
local more = promote_first()
if more then return more end
local capacity, codes = tonumber(ARGV[2]), {}
for i = 1, tonumber(ARGV[1]) do
  local at = 7 * i - 4
  if redis.call('LREM', inbox, 1, ARGV[at]) == 0 then
    codes[i] = -1
  else
    codes[i] = admit(at + 1, capacity, false)
    if codes[i] == 2 or codes[i] == 3 then
      redis.call('LPUSH', inbox, ARGV[at])
      break
    end
  end
end
admitted()
return codes
