-- purge removes waiting tasks, up to a number. Tasks in the inbox come last.
-- KEYS: meta body due lease crash wake uid uniq wins copies inbox
-- USES: clock lists|fifo|dead promote_and_reap unique
-- ARGV: n
-- Returns: how many it removed
-- Cost: O(n).
promote_and_reap()
local ids = {}
local n = tonumber(ARGV[1])
if kind == 'lists' then ids = pop(n) or {}
elseif kind == 'fifo' then
  ids = redis.call('ZRANGE', age, 0, n - 1)
  for i = 1, #ids do drop(ids[i]) end
end
if kind == 'lists' and #ids > 0 then forget(ids) end
local later = redis.call('ZRANGE', due, 0, n - #ids - 1)
if n == #ids then later = {} end
for i = 1, #later do
  redis.call('ZREM', due, later[i])
  clear_place(later[i])
  ids[#ids + 1] = later[i]
end
if #ids == 0 then return kind ~= 'dead' and #(redis.call('LPOP', inbox, n) or {}) or 0 end
redis.call('HDEL', body, unpack(ids))
redis.call('HDEL', crash, unpack(ids))
free_unique(ids)
if redis.call('EXISTS', body) == 0 then redis.call('DEL', wake) end
return #ids
