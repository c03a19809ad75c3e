-- browse lists tasks of one state.
-- KEYS: meta body due lease crash wake uniq wins
-- USES: clock lists|fifo|dead promote_and_reap room
-- ARGV: state (ready, scheduled, leased), a (a level, a score, or 0), b (an index, or a
--   member in its order; '' to begin), n, how many bytes of envelopes if there are
--   several
-- Returns: {names, envelopes, cursors, rest}: a cursor for each, as "a b"; rest is
--   where to continue, or '' at the end; MOREDUE if more than 1024 tasks have become
--   due
-- Cost: O(log N + n); O(N) for the index of a list.
local more = promote_and_reap_all()
if more then return more end
local state, a, b, n = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
room = tonumber(ARGV[5])
local names, cursors, rest = {}, {}, ''
local function add(name, x, y)
  names[#names + 1] = name
  cursors[#cursors + 1] = x .. ' ' .. y
end
-- before compares bytes, as sorted sets do: < depends on the server's locale.
local function before(x, y)
  for i = 1, math.min(#x, #y) do
    local p, q = string.byte(x, i), string.byte(y, i)
    if p ~= q then return p < q end
  end
  return #x < #y
end
-- rank_after is the rank of the first member after (a, b), which may be gone.
local function rank_after(set)
  if b == '' then return 0 end
  local score = redis.call('ZSCORE', set, b)
  if score and tonumber(score) == tonumber(a) then return redis.call('ZRANK', set, b) + 1 end
  local low, high = redis.call('ZCOUNT', set, '-inf', '(' .. a), redis.call('ZCOUNT', set, '-inf', a)
  while low < high do
    local mid = math.floor((low + high) / 2)
    if before(b, redis.call('ZRANGE', set, mid, mid)[1]) then high = mid else low = mid + 1 end
  end
  return low
end
-- by_rank lists the members of a sorted set after (a, b), of the ranks from low to
-- before high.
local function by_rank(set, low, high, name_of)
  low = math.max(low, rank_after(set))
  high = math.min(high, low + n)
  if low >= high then return end
  local page = redis.call('ZRANGE', set, low, high - 1, 'WITHSCORES')
  for i = 1, #page, 2 do add(name_of(page[i]), page[i + 1], page[i]) end
end
local function same(member) return member end
if state == 'leased' then
  by_rank(lease, 0, math.huge, function(m) return string.sub(m, string.find(m, '.', 1, true) + 1) end)
elseif state == 'scheduled' then
  by_rank(due, redis.call('ZCOUNT', due, '-inf', now), math.huge, same)
elseif kind == 'dead' then
  by_rank(due, 0, redis.call('ZCOUNT', due, '-inf', now), same)
elseif kind == 'fifo' then
  -- By group; leased tasks and those that wait for their retry are skipped.
  local from, scanned = b == '' and '-' or '(' .. b, 0
  while #names < n do
    local page = redis.call('ZRANGE', order, from, '+', 'BYLEX', 'LIMIT', 0, n + 1)
    if #page == 0 then break end
    for i = 1, #page do
      local nul = string.find(page[i], '\0', 1, true)
      local id = string.sub(page[i], nul + 17)
      if #names < n and redis.call('ZSCORE', age, id) then add(id, '0', page[i]) end
    end
    from, scanned = '(' .. page[#page], scanned + #page
    if #names < n and scanned >= 2048 then
      rest = '0 ' .. page[#page]
      break
    end
  end
else
  local level, index = levels - 1, 0
  if b ~= '' then
    local at, id = string.match(b, '^(%d+) (.*)$')
    level, index = math.min(tonumber(a), levels - 1), tonumber(at)
    local list = KEYS[lists + 1 + level]
    -- Tasks handed out since have moved the others up.
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
local envelopes = {}
if #names == n then rest = cursors[n] end
for i = 1, #names do
  if not fits(names[i]) then
    rest = cursors[i - 1]
    for k = #names, i, -1 do names[k], cursors[k] = nil, nil end
    break
  end
  envelopes[i] = redis.call('HGET', body, names[i]) or ''
end
return {names, envelopes, cursors, rest}
