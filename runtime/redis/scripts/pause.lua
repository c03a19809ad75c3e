-- pause pauses and resumes a queue.
-- KEYS: meta due lease
-- USES: clock lists|fifo|dead wake keep
-- ARGV: 0 to resume, 1 to pause, or when the pause ends in ms, which resumes if it is over
-- Returns: 0
-- Cost: a few O(1) commands.
local field = kind == 'dead' and 'dead_paused' or 'paused'
local ends = tonumber(ARGV[1])
if ends == 1 or ends > now then
  redis.call('HSET', meta, field, ARGV[1])
else
  redis.call('HDEL', meta, field)
end
-- A process that waits must look again: there may be tasks, or an earlier end to wait for.
if ends ~= 1 and (waiting() or redis.call('EXISTS', due, lease) > 0) then signal() end
return 0
