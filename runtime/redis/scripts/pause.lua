-- pause stops a queue from handing out tasks, and resumes it.
-- KEYS: meta wake
-- USES: wake
-- ARGV: 1 to pause, 0 to resume
-- Returns: 0
-- Cost: O(1).
if ARGV[1] == '1' then
  redis.call('HSET', meta, 'paused', '1')
else
  redis.call('HDEL', meta, 'paused')
  rouse()
end
return 0
