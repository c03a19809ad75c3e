-- lists: the line of a standard or priority queue, one list of IDs for each level. The
-- lists are the last keys, level 0 first. line has the level of a task above level 0.
-- KEYS: line lists
local levels = #KEYS - lists
-- list_of is the list of a level. If another process has been started with more levels
-- since, this one may meet a task above its own. The task then goes to the highest of
-- them, because a key that is not given would end the script half way.
local function list_of(id, level)
  if level < levels then return KEYS[lists + 1 + level] end
  if levels > 1 then redis.call('HSET', line, id, levels - 1) else redis.call('HDEL', line, id) end
  return KEYS[lists + levels]
end
local function enter(id, place)
  local level = place == '' and 0 or tonumber(place)
  if level > 0 then redis.call('HSET', line, id, place) end
  redis.call('RPUSH', list_of(id, level), id)
end
local function set_place(id, place)
  if place ~= '' and place ~= '0' then redis.call('HSET', line, id, place) end
end
-- line_up pushes ids to their lists: to the end, or before all others in their order.
local function line_up(ids, first)
  if levels == 1 and not first then
    redis.call('RPUSH', KEYS[lists + 1], unpack(ids))
    return
  end
  local push = first and 'LPUSH' or 'RPUSH'
  local from, to, step = 1, #ids, 1
  if first then from, to, step = #ids, 1, -1 end
  local level = levels > 1 and redis.call('HMGET', line, unpack(ids))
  for i = from, to, step do
    redis.call(push, list_of(ids[i], level and tonumber(level[i]) or 0), ids[i])
  end
end
local function promote(ids) line_up(ids, false) end
local function restore(ids, expired) line_up(ids, expired) end
local function pop(n, fits)
  local ids
  for k = #KEYS, lists + 1, -1 do
    local some = redis.call('LPOP', KEYS[k], ids and n - #ids or n)
    if some then
      local m, all = #some, #some
      if fits then
        m = 0
        while m < all and fits(some[m + 1]) do m = m + 1 end
      end
      if m < all then
        local back = {}
        for i = all, m + 1, -1 do back[#back + 1], some[i] = some[i], nil end
        redis.call('LPUSH', KEYS[k], unpack(back))
      end
      if ids then for i = 1, m do ids[#ids + 1] = some[i] end else ids = some end
      if m < all or #ids >= n then break end
    end
  end
  return ids
end
local function waiting()
  for k = lists + 1, #KEYS do if redis.call('EXISTS', KEYS[k]) == 1 then return true end end
  return false
end
local function forget(ids) if levels > 1 then redis.call('HDEL', line, unpack(ids)) end end
local function drop(id)
  local level = levels > 1 and tonumber(redis.call('HGET', line, id) or 0) or 0
  if level >= levels then return false end
  if redis.call('LREM', KEYS[lists + 1 + level], 1, id) == 0 then return false end
  return true, tostring(level)
end
local function clear_place(id) if levels > 1 then redis.call('HDEL', line, id) end end
local function count()
  local n = 0
  for k = lists + 1, #KEYS do n = n + redis.call('LLEN', KEYS[k]) end
  return n
end
