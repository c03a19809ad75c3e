-- jobs_pass gives a baton on to another scheduler, unless there is one.
-- KEYS: wake
-- ARGV: the baton
-- Returns: 0
-- Cost: two O(1) commands.
if redis.call('EXISTS', wake) == 0 then redis.call('RPUSH', wake, ARGV[1]) end
return 0
