-- jobs_list reads a page of jobs, in the order of their IDs.
-- KEYS: version entry noted alarm ids owned
-- ARGV: owner ('' for all), the ID before the page, n, how many bytes of entries if
--   there are several
-- Returns: ID, version, entry, note or "", and time of the next check in ms or "", for
--   each: fewer than n at the end, or if there is no room for more
-- Cost: O(log N + n).
local owner, after, out = ARGV[1], ARGV[2], {}
local names
if owner == '' then
  names = redis.call('ZRANGE', ids, '(' .. after, '+', 'BYLEX', 'LIMIT', 0, ARGV[3])
else
  names = redis.call('ZRANGE', owned, '(' .. owner .. '\0' .. after, '(' .. owner .. '\1', 'BYLEX', 'LIMIT', 0, ARGV[3])
  for i = 1, #names do names[i] = string.sub(names[i], #owner + 2) end
end
if #names == 0 then return out end
local room, fit = tonumber(ARGV[4]), 0
for i = 1, #names do
  room = room - redis.call('HSTRLEN', entry, names[i])
  if i > 1 and room < 0 then break end
  fit = i
end
for i = #names, fit + 1, -1 do names[i] = nil end
local versions = redis.call('HMGET', version, unpack(names))
local texts = redis.call('HMGET', entry, unpack(names))
local told = redis.call('HMGET', noted, unpack(names))
for i = 1, #names do
  local k = 5 * i
  out[k - 4], out[k - 3], out[k - 2], out[k - 1] = names[i], versions[i], texts[i] or '', told[i] or ''
  out[k] = redis.call('ZSCORE', alarm, names[i]) or ''
end
return out
