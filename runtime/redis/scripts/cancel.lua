-- cancel removes waiting tasks for good.
-- KEYS: meta body due lease crash wake uid uniq wins copies
-- USES: clock lists|fifo|dead promote_and_reap unique
-- ARGV: IDs, or the names of dead tasks
-- Returns: for each 1 removed, 0 not waiting; fewer than IDs when its time is up: the
--   caller sends the rest again
-- Cost: O(log N) for a scheduled task, O(N) for a ready one of a standard or
--   priority queue: its list is searched.
promote_and_reap()
local codes, effort = {}, 0
for i = 1, #ARGV do
  local id, out = ARGV[i], false
  if redis.call('HEXISTS', body, id) == 1 then
    if redis.call('ZREM', due, id) == 1 then
      clear_place(id)
      out = true
    else
      effort = effort + count()
      out = drop(id)
      if out and kind == 'lists' then forget({id}) end
    end
  end
  codes[i] = out and 1 or 0
  if out then
    redis.call('HDEL', body, id)
    redis.call('HDEL', crash, id)
    free_unique({id})
  end
  if effort > 500000 then break end
end
if redis.call('EXISTS', body) == 0 then redis.call('DEL', wake) end
return codes
