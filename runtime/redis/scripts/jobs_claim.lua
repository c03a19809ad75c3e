-- jobs_claim leases jobs that are due, after it has removed those that are to be
-- forgotten.
-- KEYS: version entry noted alarm forget ids owned wake
-- USES: clock wake
-- ARGV: n, lease in ms, how many bytes of entries: of more than one job
-- Returns: {seconds and microseconds of the server's time, ms until the next job
--   is due or -1, and ID, version, entry and what was noted or "" for each}
-- Cost: O(log N) for each job; a few commands on an idle store.
redis.call('HDEL', version, '') -- see keep.lua
local gone = redis.call('ZRANGE', forget, '-inf', now, 'BYSCORE', 'LIMIT', 0, 256)
for i = 1, #gone do
  local owner = string.match(redis.call('HGET', entry, gone[i]) or '', '^([^\n]*)\n')
  redis.call('ZREM', owned, (owner or '') .. '\0' .. gone[i])
  redis.call('ZREM', ids, gone[i])
  redis.call('ZREM', alarm, gone[i])
  redis.call('ZREM', forget, gone[i])
  redis.call('HDEL', version, gone[i])
  redis.call('HDEL', entry, gone[i])
  redis.call('HDEL', noted, gone[i])
end
local out = {stamp[1], stamp[2], -1}
local names = redis.call('ZRANGE', alarm, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
local over = string.format('%.0f', upper + tonumber(ARGV[2]))
local room = tonumber(ARGV[3])
for i = 1, #names do
  local id = names[i]
  room = room - redis.call('HSTRLEN', entry, id)
  if i > 1 and room < 0 then break end
  redis.call('ZADD', alarm, over, id)
  out[4 * i] = id
  out[4 * i + 1] = redis.call('HINCRBY', version, id, 1)
  out[4 * i + 2] = redis.call('HGET', entry, id)
  out[4 * i + 3] = redis.call('HGET', noted, id) or ''
end
local first = redis.call('ZRANGE', alarm, 0, 0, 'WITHSCORES')[2]
redis.call('DEL', wake)
if first then
  out[3] = math.max(tonumber(first) - now, 0)
  -- Others who wait have been told of none of this: the next one looks too.
  if out[3] == 0 then rouse() end
end
return out
