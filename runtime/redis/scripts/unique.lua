-- unique: releases the unique keys, without a window, of tasks that leave their queue
-- for good.
-- KEYS: uid uniq
local function free_unique(ids)
  if redis.call('EXISTS', uid) == 0 then return end
  local keys = redis.call('HMGET', uid, unpack(ids))
  for i = 1, #ids do
    if keys[i] then
      redis.call('HDEL', uid, ids[i])
      redis.call('HDEL', uniq, keys[i])
    end
  end
end
