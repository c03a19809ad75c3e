-- wake: leaves a signal for one blocked process, if there is none.
-- KEYS: wake
local function signal()
  if redis.call('EXISTS', wake) == 0 then redis.call('RPUSH', wake, '1') end
end
