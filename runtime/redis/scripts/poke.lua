-- poke makes a blocked process block again, for more keys than before.
-- KEYS: poke
-- ARGV: how long an unused baton lasts, in ms
-- Returns: 0
-- Cost: three O(1) commands.
redis.call('DEL', poke) -- a server that is full refuses no more after it
redis.call('RPUSH', poke, '1')
redis.pcall('PEXPIRE', poke, ARGV[1]) -- a user may lack the right to it
return 0
