-- dead_page lists dead tasks that are not leased, in the order of their deaths.
-- KEYS: due
-- USES: clock
-- ARGV: the latest time of death in ms (0: now); how many to skip; n
-- Returns: {now in ms, names}
-- Cost: O(log N + skipped + n).
local last = ARGV[1] == '0' and now or ARGV[1]
return {now, redis.call('ZRANGE', due, '-inf', last, 'BYSCORE', 'LIMIT', ARGV[2], ARGV[3])}
