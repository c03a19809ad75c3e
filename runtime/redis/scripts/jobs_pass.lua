-- jobs_pass passes a signal on to another scheduler, unless there is one already, or no
-- job is left that could be due.
-- KEYS: wake head
-- ARGV: the signal
-- Returns: 0
-- Cost: three O(1) commands.
if redis.call('EXISTS', wake) == 0 and redis.call('EXISTS', head) == 1 then redis.call('RPUSH', wake, ARGV[1]) end
return 0
