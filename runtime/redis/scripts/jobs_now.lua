-- jobs_now returns the time.
-- KEYS: version
-- USES: clock
-- ARGV:
-- Returns: {seconds and microseconds of the server's time}
-- Cost: one O(1) command.
return {stamp[1], stamp[2]}
