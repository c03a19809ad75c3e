-- history_heads reads the indexes of chunks whose time to live is not over, the newest
-- first.
-- KEYS: state heads indexes
-- USES: clock
-- ARGV: the number of the chunk before which they begin, 0: those of all; how many at most
-- Returns: number and index of each, in turn
-- Cost: O(n); one command, and two for each chunk.
local bounds = redis.call('HMGET', state, 'first', 'last')
local first, n = tonumber(bounds[1] or 1), tonumber(bounds[2] or 0)
if tonumber(ARGV[1]) > 0 then n = math.min(n, ARGV[1] - 1) end
local out = {}
while n >= first and #out < 2 * ARGV[2] do
  local ends = string.match(redis.call('HGET', heads, n) or '', '^%d+ (%d+)')
  if ends and tonumber(ends) > now then
    out[#out + 1] = n
    out[#out + 1] = redis.call('HGET', indexes, n)
  end
  n = n - 1
end
return out
