-- extend makes leases end later or sooner.
-- KEYS: meta lease
-- USES: clock
-- ARGV: n, lease in ms, n receipts
-- Returns: 0 when all were extended, else their codes: 0 extended, 1 the lease
--   is lost.
-- Cost: two commands, O(log N) for each lease.
local n = tonumber(ARGV[1])
local held = redis.call('ZMSCORE', lease, unpack(ARGV, 3, n + 2))
local over, leases, codes = string.format('%.0f', upper + tonumber(ARGV[2])), {}, false
for i = 1, n do
  if held[i] then
    leases[#leases + 1] = over
    leases[#leases + 1] = ARGV[i + 2]
  else
    codes = true
  end
end
if #leases > 0 then
  local done = redis.pcall('ZADD', lease, unpack(leases))
  if type(done) == 'table' and done.err then
    -- A full server has refused it; see keep.lua.
    redis.call('HDEL', meta, '')
    redis.call('ZADD', lease, unpack(leases))
  end
end
if not codes then return 0 end
codes = {}
for i = 1, n do codes[i] = held[i] and 0 or 1 end
return codes
