-- inbox reads the first values of the inbox, and leaves them there.
-- KEYS: inbox
-- ARGV: how many at most, of how many bytes if there are several
-- Returns: the values.
-- Cost: O(n); one command for each.
local values, room = {}, tonumber(ARGV[2])
for i = 1, tonumber(ARGV[1]) do
  local value = redis.call('LINDEX', inbox, i - 1)
  room = value and room - #value
  if not value or i > 1 and room < 0 then break end
  values[i] = value
end
return values
