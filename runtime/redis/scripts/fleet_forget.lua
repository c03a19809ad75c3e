-- fleet_forget removes a worker that is gone from the set of all.
-- KEYS: worker workers
-- ARGV: ID
-- Returns: 0
-- Cost: O(1); two commands.
if redis.call('EXISTS', worker) == 0 then redis.call('SREM', workers, ARGV[1]) end
return 0
