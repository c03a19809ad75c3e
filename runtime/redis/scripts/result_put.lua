-- result_put keeps a result on a server whose memory is full, and tells of it.
-- KEYS: result
-- ARGV: value, time to live in ms
-- Returns: 0
-- Cost: three O(1) commands.
redis.call('DEL', result) -- see keep.lua
redis.call('SET', result, ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', result, '')
return 0
