-- clock: now is the server's time in milliseconds.
-- KEYS:
local stamp = redis.call('TIME')
local now = stamp[1] * 1000 + math.floor(stamp[2] / 1000)
