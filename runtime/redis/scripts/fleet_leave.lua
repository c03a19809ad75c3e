-- fleet_leave removes a worker and the orders to it.
-- KEYS: worker orders workers
-- ARGV: ID
-- Returns: 0
-- Cost: O(n) of the orders; two commands.
redis.call('DEL', worker, orders)
redis.call('SREM', workers, ARGV[1])
return 0
