-- jobs_claim leases due jobs with the given needs.
-- KEYS: version entry noted alarm wake turn place head
-- USES: clock wake jobs_turns
-- ARGV: n, lease in ms, how many bytes of entries if there are several; and the needs
-- Returns: {seconds and microseconds of the server's time, and ID, version, entry, note
--   or "", and the end of the lease in ms, for each}
-- Cost: O(log N) for each job, and for each needs one command and up to n jobs.
redis.call('HDEL', version, '') -- see keep.lua
local due, n = {}, tonumber(ARGV[1])
for k = 4, #ARGV do
  local needs = ARGV[k]
  local found = redis.call('ZRANGE', turn, '[' .. needs .. '\0', '(' .. needs .. '\0' .. string.format('%016.0f', now + 1), 'BYLEX', 'LIMIT', 0, n)
  for i = 1, #found do
    due[#due + 1] = {string.sub(found[i], #needs + 2, #needs + 17), string.sub(found[i], #needs + 19), found[i], needs}
  end
end
if #ARGV > 4 then
  table.sort(due, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
end
local out, room = {stamp[1], stamp[2]}, tonumber(ARGV[3])
local over = string.format('%.0f', upper + tonumber(ARGV[2]))
local more = false
for i = 1, #due do
  local at, id, name, needs = unpack(due[i])
  local have = redis.call('ZSCORE', alarm, id)
  if not have or tonumber(have) ~= tonumber(at) then
    -- A build without needs has changed it.
    redis.call('ZREM', turn, name)
    changed[needs] = true
    if have then set(id, needs, have) end
  else
    room = room - redis.call('HSTRLEN', entry, id)
    more = #out == 2 + 5 * n or #out > 2 and room < 0
    if more then break end
    set(id, needs, over)
    out[#out + 1] = id
    out[#out + 1] = redis.call('HINCRBY', version, id, 1)
    out[#out + 1] = redis.call('HGET', entry, id) or ''
    out[#out + 1] = redis.call('HGET', noted, id) or ''
    out[#out + 1] = over
  end
end
heads()
-- Other waiting processes do not know of the remaining jobs: the next one checks too.
if more or #due == n then signal() end
return out
