-- enqueue puts tasks of any kind on a queue.
-- KEYS:
-- USES: clock lists|fifo wake promote_and_reap admit
-- ARGV: n, 0 or how often this call was sent before, capacity (0: none), and the
--   tasks: see admit
-- Returns: for each task 0 put, 1 the ID is on the queue, 2 the queue is full, 3 the
--   server's memory is full, or "due until id" of the task that holds the unique key. A
--   task put by an earlier sending of the call is recognised by its bytes, and counts
--   as put. MOREDUE on a fifo queue with more than 1024 tasks that have become due:
--   nothing was put.
-- Cost: one command, and 4 a task, 7 with a unique key; O(log N) for delayed ones.
local again, capacity, codes = ARGV[2] ~= '0', tonumber(ARGV[3]), {}
local more = promote_first()
if more then return more end
for i = 1, tonumber(ARGV[1]) do codes[i] = admit(6 * i - 2, capacity, again) end
admitted()
return codes
