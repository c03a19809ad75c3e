-- find looks up the tasks of a keyspace under an ID.
-- KEYS: meta body due lease copies
-- USES: clock
-- ARGV: ID
-- Returns: the time in ms; then for each task (several dead ones may share an ID) its
--   name, its envelope, when it is due and when its lease ends, in ms, or '': the
--   second for a task that is not leased, both for one in line
-- Cost: O(log N); O(n) for n leased tasks if it is not waiting for its time.
local names, out = {ARGV[1]}, {string.format('%.0f', now)}
if redis.call('EXISTS', copies) == 1 then
  local more = redis.call('ZRANGE', copies, '[' .. ARGV[1] .. '\255', '(' .. ARGV[1] .. '\255\255', 'BYLEX')
  for j = 1, #more do names[j + 1] = more[j] end
end
local leased
for j = 1, #names do
  local envelope = redis.call('HGET', body, names[j])
  if envelope then
    local time, over = redis.call('ZSCORE', due, names[j]), ''
    if not time then
      if not leased then
        leased = {}
        local all = redis.call('ZRANGE', lease, 0, -1, 'WITHSCORES')
        for k = 1, #all, 2 do leased[string.sub(all[k], string.find(all[k], '.', 1, true) + 1)] = all[k + 1] end
      end
      over = leased[names[j]] or ''
    end
    for _, value in ipairs({names[j], envelope, time or '', over}) do out[#out + 1] = value end
  end
end
return out
