-- dead_find looks up dead tasks that are not leased.
-- KEYS: due copies
-- ARGV: IDs
-- Returns: names: an ID may have several
-- Cost: O(log N) for each ID.
local out = {}
for i = 1, #ARGV do
  local names = {ARGV[i]}
  if redis.call('EXISTS', copies) == 1 then
    local more = redis.call('ZRANGE', copies, '[' .. ARGV[i] .. '\255', '(' .. ARGV[i] .. '\255\255', 'BYLEX')
    for j = 1, #more do names[j + 1] = more[j] end
  end
  for j = 1, #names do
    if redis.call('ZSCORE', due, names[j]) then out[#out + 1] = names[j] end
  end
end
return out
