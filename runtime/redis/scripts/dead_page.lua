-- dead_page lists dead tasks that nobody has leased, in the order they died.
-- KEYS: body due
-- USES: clock
-- ARGV: no task that died later than this, in ms (0: now); how many to skip; n
-- Returns: {now in ms, names and envelopes in turn}
-- Cost: O(log N + skipped + n).
local last = ARGV[1] == '0' and now or ARGV[1]
local names = redis.call('ZRANGE', due, '-inf', last, 'BYSCORE', 'LIMIT', ARGV[2], ARGV[3])
local out = {now}
if #names > 0 then
  local envelopes = redis.call('HMGET', body, unpack(names))
  for i = 1, #names do
    out[2 * i] = names[i]
    out[2 * i + 1] = envelopes[i] or ''
  end
end
return out
