-- jobs_heads returns the needs of jobs, and when the first job of each is due. With the
-- first page it removes expired jobs.
-- KEYS: version entry noted alarm forget ids owned wake turn place head
-- USES: clock jobs_turns
-- ARGV: how many needs to skip, n
-- Returns: {seconds and microseconds of the server's time, and needs and their time in
--   ms for each, the earliest first}
-- Cost: O(log N) for each removed job, and O(n). O(N log N) once after a build without
--   needs has written jobs.
redis.call('HDEL', version, '') -- see keep.lua
if ARGV[1] == '0' then
  local gone = redis.call('ZRANGE', forget, '-inf', now, 'BYSCORE', 'LIMIT', 0, 256)
  for i = 1, #gone do
    local id = gone[i]
    local owner = string.match(redis.call('HGET', entry, id) or '', '^([^\n]*)\n')
    redis.call('ZREM', owned, (owner or '') .. '\0' .. id)
    redis.call('ZREM', ids, id)
    redis.call('ZREM', forget, id)
    redis.call('HDEL', version, id)
    redis.call('HDEL', entry, id)
    redis.call('HDEL', noted, id)
    set(id)
  end
  if redis.call('ZCARD', turn) ~= redis.call('ZCARD', alarm) then
    redis.call('DEL', turn, head)
    local all = redis.call('ZRANGE', alarm, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do set(all[i], redis.call('HGET', place, all[i]) or '', all[i + 1]) end
  end
  heads()
  if redis.call('EXISTS', head) == 0 then redis.call('DEL', wake) end
end
local out = redis.call('ZRANGE', head, ARGV[1], ARGV[1] + ARGV[2] - 1, 'WITHSCORES')
return {stamp[1], stamp[2], unpack(out)}
