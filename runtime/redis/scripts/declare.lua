-- declare creates or verifies a queue.
-- KEYS: meta sources
-- USES: keep
-- ARGV: type, levels, name of the dead letter queue
-- Returns: {existing type, existing levels, existing dead letter queue or "", how many
--   queues have this one as their dead letter queue, paused or ""}. Nothing is written
--   if the types differ.
-- Cost: a few O(1) commands.
local was = redis.call('HMGET', meta, 'type', 'levels', 'dlq', 'paused')
local dead = redis.call('SCARD', sources)
if was[1] and was[1] ~= ARGV[1] then return {was[1], was[2], was[3] or '', dead, was[4] or ''} end
local levels = math.max(tonumber(ARGV[2]), tonumber(was[2] or 1))
if not was[1] then redis.call('HSET', meta, 'type', ARGV[1]) end
if not was[2] or tonumber(was[2]) < levels then redis.call('HSET', meta, 'levels', levels) end
if dead == 0 and was[3] ~= ARGV[3] then redis.call('HSET', meta, 'dlq', ARGV[3]) end
return {ARGV[1], levels, was[3] or '', dead, was[4] or ''}
