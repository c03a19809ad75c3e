-- jobs_put writes jobs of a scheduler.
-- KEYS: version entry alarm forget ids owned wake turn place head
-- USES: clock wake jobs_turns
-- ARGV: for each job: ID, the version it must have (0: none), its owner, when it is due
--   in ms (0: never), when it expires in ms (0: never), what a scheduler must have to
--   fire it, entry
-- Returns: for each 0 written, 1 no such ID, 2 the ID exists, 3 it has another version,
--   4 the server's memory is full and takes no new jobs
-- Cost: 12 commands a job, and 2 for what each needs; O(log N) each.
local codes = {}
-- A full server refuses this; see admit.lua and keep.lua.
local full = redis.pcall('ZADD', alarm, 'XX', 0, '')
full = type(full) == 'table' and full.err
if full and not string.find(full, 'OOM', 1, true) then return redis.error_reply(full) end
redis.call('HDEL', version, '')
for i = 1, #ARGV / 7 do
  local id, expected, owner, at, until_, needs, text = unpack(ARGV, 7 * i - 6, 7 * i)
  local have = redis.call('HGET', version, id) or '0'
  if have ~= expected then
    codes[i] = have == '0' and 1 or expected == '0' and 2 or 3
  elseif full and have == '0' then
    codes[i] = 4
  else
    codes[i] = 0
    local kept = redis.call('HGET', entry, id)
    local former = kept and string.match(kept, '^[^\n]*')
    redis.call('HINCRBY', version, id, 1)
    redis.call('HSET', entry, id, text)
    if have == '0' then redis.call('ZADD', ids, 0, id) end
    if former ~= owner then
      if former then redis.call('ZREM', owned, former .. '\0' .. id) end
      redis.call('ZADD', owned, 0, owner .. '\0' .. id)
    end
    if at == '0' then set(id) else
      set(id, needs, at)
      signal()
    end
    if until_ == '0' then redis.call('ZREM', forget, id) else redis.call('ZADD', forget, until_, id) end
  end
end
heads()
return codes
