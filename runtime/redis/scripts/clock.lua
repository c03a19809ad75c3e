-- clock: now is the server's time in milliseconds, rounded down, for checks of what is
-- due. Times from now count from upper, rounded up, so nothing ends or comes early.
-- KEYS:
local stamp = redis.call('TIME')
local now = stamp[1] * 1000 + math.floor(stamp[2] / 1000)
local upper = stamp[1] * 1000 + math.ceil(stamp[2] / 1000)
