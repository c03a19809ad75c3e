-- room: bounds the bytes that a script reads, so that its reply is short and other
-- clients need not wait. fits returns whether one more task may be read. The first one
-- always may.
-- KEYS: body
local room, begun = 0, false
local function fits(id)
  room = room - redis.call('HSTRLEN', body, id)
  if begun and room < 0 then return false end
  begun = true
  return true
end
