-- delete removes the keys of a queue, or those of its dead. A dead letter queue loses one of
-- the queues that name it, and its keys with the last.
-- KEYS: meta body due lease crash wake uid uniq wins line order group turn age copies sources ended dead_body dead_due dead_crash dead_copies dead_wake inbox lists
-- ARGV: name of the queue that the dead letter queue loses; empty on any other queue
-- Returns: 1 the keys are gone, 0 other queues name the dead letter queue
-- Cost: O(1) for each key; the server frees the memory in the background.
if ARGV[1] ~= '' then
  redis.call('SREM', sources, ARGV[1])
  if redis.call('EXISTS', sources) == 1 then return 0 end
end
redis.call('UNLINK', unpack(KEYS))
return 1
