-- promote_and_reap: puts due delayed tasks in line, and tasks of ended leases back, each
-- up to a limit. It returns true if there is more.
-- KEYS: due lease crash uniq wins ended
local function promote_and_reap()
  local ids = kind ~= 'dead' and redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, 256) or {}
  if #ids > 0 then
    redis.call('ZREM', due, unpack(ids))
    promote(ids)
  end
  local over = redis.call('ZRANGE', lease, '-inf', now, 'BYSCORE', 'LIMIT', 0, 256)
  if #over > 0 then
    redis.call('ZREM', lease, unpack(over))
    local back, ends = {}, {}
    for i = 1, #over do
      ends[2 * i - 1], ends[2 * i] = now, over[i]
      local id = string.sub(over[i], string.find(over[i], '.', 1, true) + 1)
      redis.call('HINCRBY', crash, id, 1)
      back[i] = id
    end
    restore(back, true)
    -- For workers that still report that it was no crash: see release.
    redis.call('ZADD', ended, unpack(ends))
    redis.call('ZREMRANGEBYSCORE', ended, '-inf', now - 3600000)
    redis.call('ZREMRANGEBYRANK', ended, 0, -10001)
    -- A user may lack the right to it: then the set stays, but does not grow.
    redis.pcall('PEXPIRE', ended, 3600000)
  end
  local keys = redis.call('ZRANGE', wins, '-inf', now, 'BYSCORE', 'LIMIT', 0, 256)
  if #keys > 0 then
    redis.call('ZREM', wins, unpack(keys))
    redis.call('HDEL', uniq, unpack(keys))
  end
  return #ids == 256 or #over == 256
end
-- promote_and_reap_all repeats that until nothing is left, up to a limit. It returns
-- false, or the error on which the caller sends the call again: a script over a million
-- tasks would block all other clients.
local function promote_and_reap_all()
  for _ = 1, 4 do if not promote_and_reap() then return false end end
  return redis.error_reply('MOREDUE send the call again')
end
