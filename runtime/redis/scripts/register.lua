-- register makes a queue the dead letter queue of another one.
-- KEYS: meta sources
-- USES: keep
-- ARGV: name of the other queue; the dead letter queue that this one has when none is
--   named; 1 where the name of this one can be no mistake
-- Returns: {its type or "", its own dead letter queue or "", paused or ""}. It has
--   done nothing where the type is not standard, or where a dead letter queue of its
--   own is returned: it is one that was named, or has been used (tasks were handed
--   out), and no other queue has this one for its dead letters.
-- Cost: a few O(1) commands.
local was = redis.call('HMGET', meta, 'type', 'dlq', 'paused', 'token')
local type, dlq = was[1] or '', was[2] or ''
local worker = dlq == ARGV[2] and (ARGV[3] == '1' or not was[4])
if worker or redis.call('EXISTS', sources) == 1 then dlq = '' end
if (type == '' or type == 'standard') and dlq == '' then
  redis.call('HSETNX', meta, 'type', 'standard')
  redis.call('SADD', sources, ARGV[1])
end
return {type, dlq, was[3] or ''}
