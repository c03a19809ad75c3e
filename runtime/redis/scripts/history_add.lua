-- history_add appends pieces of a history, and removes its oldest chunks. A full server
-- refuses it.
-- KEYS: state heads indexes bodies
-- USES: clock
-- ARGV: time to live in ms; how long in ms a chunk is appended to; most bytes; the size from
--   which a chunk is not appended to; what a chunk counts beside its size; and of each piece
--   its size, its index, and its body, or '' for one that makes a chunk of its own and is
--   stored by the caller: a script takes longer to store a large one
-- Returns: for each piece 0, or the number of the chunk that its body is to be stored as
-- Cost: thirteen commands with one piece, and four more for each chunk that is removed.
local age, span, most, full, overhead = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local stored = redis.call('HMGET', state, 'first', 'last', 'bytes')
local first, last, bytes = tonumber(stored[1] or 1), tonumber(stored[2] or 0), tonumber(stored[3] or 0)
local ends = string.format('%.0f', upper + age)
local function read(n)
  local head = redis.call('HGET', heads, n)
  if not head then return nil end
  local b, e, s = string.match(head, '^(%d+) (%d+) (%d+)$')
  return tonumber(b), tonumber(e), tonumber(s)
end
local begun, _, size = read(last)
local numbers = {}
for i = 6, #ARGV, 3 do
  local more, index, body = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  if body ~= '' and begun and size < full and now - begun < span then
    body = (redis.call('HGET', bodies, last) or '') .. body
    index = (redis.call('HGET', indexes, last) or '') .. index
    size, bytes = size + more, bytes + more
  else
    last, begun, size, bytes = last + 1, now, more, bytes + more + overhead
  end
  if body ~= '' then redis.call('HSET', bodies, last, body) end
  numbers[#numbers + 1] = body == '' and last or 0
  redis.call('HSET', indexes, last, index)
  redis.call('HSET', heads, last, string.format('%.0f ', begun) .. ends .. ' ' .. size)
end
while first < last do
  local _, over, old = read(first)
  if over and over > now and bytes <= most then break end
  for _, key in ipairs({heads, indexes, bodies}) do redis.call('HDEL', key, first) end
  bytes = bytes - (old or 0) - overhead
  first = first + 1
end
redis.call('HSET', state, 'first', first, 'last', last, 'bytes', string.format('%.0f', bytes))
for _, key in ipairs({state, heads, indexes, bodies}) do redis.call('PEXPIRE', key, age + span) end
return numbers
