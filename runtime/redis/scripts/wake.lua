-- wake: leaves a baton for one blocked process, if there is none.
-- KEYS: wake
local function rouse()
  if redis.call('EXISTS', wake) == 0 then redis.call('RPUSH', wake, '1') end
end
