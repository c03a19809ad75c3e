-- fifo: the line of a fifo queue. order has every task in line, also one that is leased
-- or waits for its retry, as "group NUL seq id", so a range by group begins with the
-- group's head. group has for each group in line 1 if it is in turn (its head may go),
-- or 0 if it is busy (its head is leased or waits for its retry). age has the ready
-- tasks, by the time at which they became ready. line has "group NUL seq" of a task in
-- line, and "group" of one that has not been due yet.
-- KEYS: meta line order group turn age
local function head(g)
  return redis.call('ZRANGE', order, '[' .. g .. '\0', '(' .. g .. '\1', 'BYLEX', 'LIMIT', 0, 1)[1]
end
local function group_of(place)
  local nul = string.find(place, '\0', 1, true)
  return nul and string.sub(place, 1, nul - 1) or place, nul
end
local function take_turn(g)
  redis.call('HSET', group, g, '1')
  redis.call('RPUSH', turn, g)
end
local function pass(g)
  if head(g) then take_turn(g) else redis.call('HDEL', group, g) end
end
local function enter(id, g)
  local place = g .. '\0' .. string.format('%016.0f', redis.call('HINCRBY', meta, 'seq', 1))
  redis.call('HSET', line, id, place)
  redis.call('ZADD', order, 0, place .. id)
  redis.call('ZADD', age, now, id)
  if redis.call('HSETNX', group, g, '1') == 1 then redis.call('RPUSH', turn, g) end
end
local function set_place(id, g) redis.call('HSET', line, id, g) end
local function restore(ids)
  for i = 1, #ids do
    local place = redis.call('HGET', line, ids[i])
    if place then
      redis.call('ZADD', age, now, ids[i])
      take_turn((group_of(place)))
    end
  end
end
local function promote(ids)
  for i = 1, #ids do
    local place = redis.call('HGET', line, ids[i])
    if place then
      local g, begun = group_of(place)
      if begun then restore({ids[i]}) else enter(ids[i], g) end
    end
  end
end
local function pop(n, fits)
  local ids = {}
  while #ids < n do
    local gs = redis.call('LPOP', turn, n - #ids)
    if not gs then break end
    for i = 1, #gs do
      local member = head(gs[i])
      if member then
        local id = string.sub(member, #gs[i] + 18)
        if fits and not fits(id) then
          for k = #gs, i, -1 do redis.call('LPUSH', turn, gs[k]) end
          return ids
        end
        ids[#ids + 1] = id
        redis.call('HSET', group, gs[i], '0')
        redis.call('ZREM', age, id)
      else
        redis.call('HDEL', group, gs[i])
      end
    end
  end
  return #ids > 0 and ids
end
local function waiting() return redis.call('EXISTS', turn) == 1 end
local function forget(ids)
  for i = 1, #ids do
    local place = redis.call('HGET', line, ids[i])
    if place then
      redis.call('ZREM', order, place .. ids[i])
      redis.call('HDEL', line, ids[i])
      pass((group_of(place)))
    end
  end
end
local function drop(id)
  if redis.call('ZREM', age, id) == 0 then return false end
  local place = redis.call('HGET', line, id)
  local g = group_of(place)
  redis.call('ZREM', order, place .. id)
  redis.call('HDEL', line, id)
  if redis.call('HGET', group, g) == '1' and not head(g) then
    redis.call('HDEL', group, g)
    redis.call('LREM', turn, 1, g)
  end
  return true, g
end
local function clear_place(id)
  local place = redis.call('HGET', line, id)
  if not place then return end
  redis.call('HDEL', line, id)
  local g, begun = group_of(place)
  if begun then
    redis.call('ZREM', order, place .. id)
    pass(g)
  end
end
local function count() return redis.call('ZCARD', age) end
