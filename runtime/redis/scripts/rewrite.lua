-- rewrite replaces the envelope of a leased task.
-- KEYS: meta body lease
-- USES: keep
-- ARGV: receipt, ID, envelope
-- Returns: 1 done, 0 the lease is lost
-- Cost: three O(1) commands.
if not redis.call('ZSCORE', lease, ARGV[1]) then return 0 end
redis.call('HSET', body, ARGV[2], ARGV[3])
return 1
