-- pause pauses and resumes a queue.
-- KEYS: meta due lease
-- USES: clock lists|fifo|dead wake keep
-- ARGV: 1 to pause, 0 to resume
-- Returns: 0
-- Cost: a few O(1) commands.
local field = kind == 'dead' and 'dead_paused' or 'paused'
if ARGV[1] == '1' then
  redis.call('HSET', meta, field, '1')
else
  redis.call('HDEL', meta, field)
  if waiting() or redis.call('EXISTS', due, lease) > 0 then signal() end
end
return 0
