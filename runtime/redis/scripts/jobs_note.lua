-- jobs_note stores a worker's note on a job's firing.
-- KEYS: version noted
-- ARGV: ID, when the firing was due in ns, with 20 digits, the note
-- Returns: 0
-- Cost: four O(1) commands.
redis.call('HDEL', noted, '') -- see keep.lua
if redis.call('HEXISTS', version, ARGV[1]) == 0 then return 0 end
local had = redis.call('HGET', noted, ARGV[1])
if not had or string.sub(had, 1, 20) <= ARGV[2] then
  redis.call('HSET', noted, ARGV[1], ARGV[2] .. ARGV[3])
end
return 0
