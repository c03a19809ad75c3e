-- signal passes the watch over a queue on to another process if there is or will be
-- something to do.
-- KEYS: meta due lease wake
-- USES: clock lists|fifo|dead wake keep
-- ARGV:
-- Returns: 0
-- Cost: a few O(1) commands.
if waiting() or redis.call('EXISTS', due, lease) > 0 then signal() end
return 0
