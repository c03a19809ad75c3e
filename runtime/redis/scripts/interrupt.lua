-- interrupt makes a blocked process block again, for more keys than before.
-- KEYS: list
-- ARGV: how long an unused signal lasts, in ms
-- Returns: 0
-- Cost: three O(1) commands.
redis.call('DEL', list) -- a server that is full refuses no more after it
redis.call('RPUSH', list, '1')
redis.pcall('PEXPIRE', list, ARGV[1]) -- a user may lack the right to it
return 0
