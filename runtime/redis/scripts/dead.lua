-- dead: the line of the dead of one queue. They wait in due, by time of death: those
-- whose time has come are ready.
-- KEYS: due copies
local function set_place() end
local function promote() end
local function restore(ids)
  for i = 1, #ids do redis.call('ZADD', due, now, ids[i]) end
end
local function pop(n, fits)
  local ids = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, n)
  if #ids == 0 then return false end
  if fits then
    local m = 0
    while m < #ids and fits(ids[m + 1]) do m = m + 1 end
    for i = #ids, m + 1, -1 do ids[i] = nil end
  end
  redis.call('ZREM', due, unpack(ids))
  return ids
end
local function waiting() return redis.call('ZCOUNT', due, '-inf', now) > 0 end
local function forget(ids)
  if redis.call('EXISTS', copies) == 1 then redis.call('ZREM', copies, unpack(ids)) end
end
local function clear_place(id) forget({id}) end
local function drop() return false end
local function count() return 0 end
