-- register makes a queue the dead letter queue of another one.
-- KEYS: meta sources
-- USES: keep
-- ARGV: name of the other queue; the default name of this queue's own dead letter
--   queue; 1 if the name of this queue cannot be a mistake
-- Returns: {its type or "", its own dead letter queue or "", paused or ""}. Nothing is
--   written if the type is not standard, or if a dead letter queue is returned: one
--   with another name than the default, or one of a queue that has handed out tasks.
--   None is returned if another queue has this one as its dead letter queue.
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
