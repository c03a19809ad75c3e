-- jobs_get reads one job.
-- KEYS: version entry noted alarm
-- ARGV: ID
-- Returns: {ID, version, entry, note or "", time of the next check in ms or ""}, or {}
--   if there is none
-- Cost: four O(1) commands.
local id = ARGV[1]
local have = redis.call('HGET', version, id)
if not have then return {} end
return {id, have, redis.call('HGET', entry, id) or '', redis.call('HGET', noted, id) or '', redis.call('ZSCORE', alarm, id) or ''}
