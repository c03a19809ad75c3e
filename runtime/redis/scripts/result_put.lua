-- result_put stores a result, even on a server whose memory is full, and publishes it.
-- KEYS: result mark
-- ARGV: value, mark, time to live in ms
-- Returns: 0
-- Cost: five O(1) commands.
redis.call('DEL', result, mark) -- see keep.lua
redis.call('SET', mark, ARGV[2], 'PX', ARGV[3])
redis.call('SET', result, ARGV[1], 'PX', ARGV[3])
redis.call('PUBLISH', result, '')
return 0
