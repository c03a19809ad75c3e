-- dead_page lists dead tasks that nobody has leased, in the order they died.
-- KEYS: due
-- USES: clock
-- ARGV: no task that died later than this, in ms (0: now); how many to skip; n
-- Returns: {now in ms, names}
-- Cost: O(log N + skipped + n).
local last = ARGV[1] == '0' and now or ARGV[1]
return {now, redis.call('ZRANGE', due, '-inf', last, 'BYSCORE', 'LIMIT', ARGV[2], ARGV[3])}
