-- stats counts the tasks of a queue, and finds those that have waited longest.
-- KEYS: meta body due lease sources dead_body inbox
-- USES: clock lists|fifo|dead
-- ARGV:
-- Returns: {ready, scheduled, leased, dead, now in ms, since when the oldest is ready
--   in ms or 0, the heads of the lists and of the inbox as ID and stored form, how many
--   queues have this one as their dead letter queue, and how many values are in the
--   inbox, which count as ready}
-- Cost: O(log N), whatever the number of tasks or their types.
local due_now = redis.call('ZCOUNT', due, '-inf', now)
local over = redis.call('ZCOUNT', lease, '-inf', now)
local held = redis.call('ZCARD', lease) - over
local later = redis.call('ZCARD', due) - due_now
local oldest, heads = math.huge, {}
local function add_head(id, stored)
  heads[#heads + 1] = id
  heads[#heads + 1] = stored
end
if due_now > 0 then oldest = tonumber(redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]) end
if kind == 'fifo' then
  local first = redis.call('ZRANGE', age, 0, 0, 'WITHSCORES')[2]
  if first then oldest = math.min(oldest, tonumber(first)) end
elseif kind == 'lists' then
  for k = lists + 1, #KEYS do
    local id = redis.call('LINDEX', KEYS[k], 0)
    if id then add_head(id, redis.call('HGET', body, id) or '') end
  end
end
if over > 0 then
  local first = redis.call('ZRANGE', lease, 0, 0)[1]
  local id = string.sub(first, string.find(first, '.', 1, true) + 1)
  add_head(id, redis.call('HGET', body, id) or '')
end
local in_inbox = kind == 'dead' and 0 or redis.call('LLEN', inbox)
if in_inbox > 0 then add_head('', redis.call('LINDEX', inbox, 0)) end
return {count() + due_now + over + in_inbox, later, held, redis.call('HLEN', dead_body), now, oldest < math.huge and oldest or 0, heads, redis.call('SCARD', sources), in_inbox}
