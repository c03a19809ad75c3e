-- reschedule makes a waiting task due at another time.
-- KEYS: meta body due lease crash wake uniq wins
-- USES: clock lists|fifo|dead wake promote_and_reap keep
-- ARGV: ID, SHA-1 of the envelope it had, envelope, when it is due in ms
-- Returns: 0 done, 1 no such task waits, 2 it has changed: read it again
-- Cost: O(log N) for a scheduled task, O(N) for a ready one of a standard or
--   priority queue: its list is searched.
promote_and_reap()
local id, time = ARGV[1], tonumber(ARGV[4])
local envelope = redis.call('HGET', body, id)
if not envelope then return 1 end
local old = redis.sha1hex(envelope) == ARGV[2]
if redis.call('ZSCORE', due, id) then
  if not old then return 2 end
  redis.call('HSET', body, id, ARGV[3])
  redis.call('ZADD', due, math.max(time, kind == 'dead' and now or 0), id)
  if time <= now and kind ~= 'dead' then
    redis.call('ZREM', due, id)
    promote({id})
  end
  signal()
  return 0
end
if time <= now and kind ~= 'dead' then
  -- It stays at its position in line.
  local found = kind == 'fifo' and redis.call('ZSCORE', age, id)
  if kind == 'lists' then
    for k = lists + 1, #KEYS do found = found or redis.call('LPOS', KEYS[k], id) end
  end
  if not found then return 1 end
  if not old then return 2 end
  redis.call('HSET', body, id, ARGV[3])
  return 0
end
if not old then return 2 end
local out, place = drop(id)
if not out then return 1 end
set_place(id, place)
redis.call('HSET', body, id, ARGV[3])
redis.call('ZADD', due, time, id)
signal()
return 0
