-- browse lists tasks of one state.
-- KEYS: meta body due lease crash wake uniq wins
-- USES: clock lists|fifo|dead settle
-- ARGV: state (ready, scheduled, leased), a (a level, a score, or 0), b (an
--   index, or a member in its order; '' to begin), n
-- Returns: {names, envelopes, cursors}: a cursor for each, as "a b"; MOREDUE where
--   more than 1024 tasks have become due
-- Cost: O(log N + n); O(N) for the index of a list.
local more = unsettled()
if more then return more end
local state, a, b, n = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local names, cursors = {}, {}
local function add(name, x, y)
  names[#names + 1] = name
  cursors[#cursors + 1] = x .. ' ' .. y
end
-- by_score lists a sorted set after (a, b), from score to score.
local function by_score(set, least, most, name_of)
  local from, skip = least, b ~= ''
  if skip then from = a end
  local seen = 0
  while #names < n do
    local page = redis.call('ZRANGE', set, from, most, 'BYSCORE', 'LIMIT', seen, n + 1, 'WITHSCORES')
    for i = 1, #page, 2 do
      if not (skip and tonumber(page[i + 1]) == tonumber(a) and page[i] <= b) and #names < n then
        add(name_of(page[i]), page[i + 1], page[i])
      end
    end
    seen = seen + #page / 2
    if #page == 0 then break end
  end
end
local function same(member) return member end
if state == 'leased' then
  by_score(lease, '-inf', '+inf', function(m) return string.sub(m, string.find(m, '.', 1, true) + 1) end)
elseif state == 'scheduled' then
  by_score(due, '(' .. string.format('%.0f', now), '+inf', same)
elseif kind == 'dead' then
  by_score(due, '-inf', now, same)
elseif kind == 'fifo' then
  -- Group by group; those that are leased or wait for their retry are skipped.
  local from = b == '' and '-' or '(' .. b
  while #names < n do
    local page = redis.call('ZRANGE', order, from, '+', 'BYLEX', 'LIMIT', 0, n + 1)
    if #page == 0 then break end
    for i = 1, #page do
      local nul = string.find(page[i], '\0', 1, true)
      local id = string.sub(page[i], nul + 17)
      if #names < n and redis.call('ZSCORE', age, id) then add(id, '0', page[i]) end
    end
    from = '(' .. page[#page]
  end
else
  local level, index = levels - 1, 0
  if b ~= '' then
    local at, id = string.match(b, '^(%d+) (.*)$')
    level, index = math.min(tonumber(a), levels - 1), tonumber(at)
    local list = KEYS[lists + 1 + level]
    -- Tasks that were handed out since have moved the others up.
    if redis.call('LINDEX', list, index) == id then index = index + 1
    else index = (redis.call('LPOS', list, id) or -1) + 1 end
  end
  while level >= 0 and #names < n do
    local page = redis.call('LRANGE', KEYS[lists + 1 + level], index, index + n - #names - 1)
    for i = 1, #page do
      add(page[i], tostring(level), string.format('%.0f %s', index + i - 1, page[i]))
    end
    level, index = level - 1, 0
  end
end
local envelopes = #names > 0 and redis.call('HMGET', body, unpack(names)) or {}
for i = 1, #names do envelopes[i] = envelopes[i] or '' end
return {names, envelopes, cursors}
