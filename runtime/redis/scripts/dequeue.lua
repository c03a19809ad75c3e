-- dequeue leases tasks. On request, and when the line is empty, it first puts due tasks
-- and tasks of ended leases in line.
-- KEYS: meta body due lease crash wake uniq wins sources
-- USES: clock lists|fifo|dead wake promote_and_reap room
-- ARGV: n, lease in ms, 1 to promote and reap first, how many bytes of envelopes if there are
--   several, 1 to check the size of each even if this version has put no large one here
-- Returns: {-1, sources, ms until the pause ends or -1} paused; {-2, levels} the queue has
--   more levels than lists were given; {0, ms until there may be something or -1, sources} nothing; or {1, token,
--   IDs, envelopes, crash counts or 0}. The receipt of a task is "token.ID". sources is
--   how many queues have this one as their dead letter queue.
-- Cost: O(n); five commands for the batch and the lists of the levels, O(log N) for
--   each lease; one more for each task if some may be large.
local pause = kind == 'dead' and 'dead_paused' or 'paused'
local state = redis.call('HMGET', meta, pause, 'token', 'levels', 'large')
if state[1] then
  local ends = tonumber(state[1]) or 1
  if ends == 1 then return {-1, redis.call('SCARD', sources), -1} end
  if ends > now then return {-1, redis.call('SCARD', sources), ends - now} end
  redis.call('HDEL', meta, pause)
end
if kind == 'lists' and tonumber(state[3] or 1) > levels then return {-2, tonumber(state[3])} end
local n = tonumber(ARGV[1])
room = tonumber(ARGV[4])
local bound = (state[4] or ARGV[5] == '1' or kind == 'dead') and fits or nil
if ARGV[3] == '1' then promote_and_reap() end
local ids = pop(n, bound)
if not ids and ARGV[3] ~= '1' then
  promote_and_reap()
  ids = pop(n, bound)
end
if not ids then
  redis.call('DEL', wake)
  if state[4] and redis.call('EXISTS', body) == 0 then redis.call('HDEL', meta, 'large') end
  local due1 = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
  local over = redis.call('ZRANGE', lease, 0, 0, 'WITHSCORES')[2]
  local at = math.min(tonumber(due1 or math.huge), tonumber(over or math.huge))
  if at == math.huge then return {0, -1, redis.call('SCARD', sources)} end
  return {0, math.max(at - now, 0), redis.call('SCARD', sources)}
end
local envelopes = redis.call('HMGET', body, unpack(ids))
local token = string.format('%.0f', math.max(tonumber(state[2] or 0) + 1, stamp[1] * 1000000 + stamp[2]))
-- As text, because Redis would format the number again for each lease.
local over, leases, gone = string.format('%.0f', upper + tonumber(ARGV[2])), {}, false
for i = 1, #ids do
  if envelopes[i] then
    leases[2 * i - 1] = over
    leases[2 * i] = token .. '.' .. ids[i]
  else
    gone = true
  end
end
if gone then
  -- A user has deleted bodies: their IDs go, the rest is handed out.
  local kept, bodies = {}, {}
  leases = {}
  for i = 1, #ids do
    if envelopes[i] then
      local k = #kept + 1
      kept[k], bodies[k] = ids[i], envelopes[i]
      leases[2 * k - 1], leases[2 * k] = over, token .. '.' .. ids[i]
    else
      forget({ids[i]})
    end
  end
  ids, envelopes = kept, bodies
  if #ids == 0 then return {0, 0, redis.call('SCARD', sources)} end
end
redis.call('HSET', meta, 'token', token)
redis.call('ZADD', lease, unpack(leases))
local crashes = redis.call('EXISTS', crash) == 1 and redis.call('HMGET', crash, unpack(ids)) or 0
-- Another process continues if there is more, or will be within its recheck.
if waiting() or redis.call('ZCOUNT', due, '-inf', now + 5000) > 0 then signal() else redis.call('DEL', wake) end
return {1, token, ids, envelopes, crashes}
