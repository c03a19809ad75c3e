-- clock: now is the server's time in milliseconds, rounded down: what is due by
-- then is due. A time from now counts from upper, rounded up, so that nothing
-- ends or comes early.
-- KEYS:
local stamp = redis.call('TIME')
local now = stamp[1] * 1000 + math.floor(stamp[2] / 1000)
local upper = stamp[1] * 1000 + math.ceil(stamp[2] / 1000)
