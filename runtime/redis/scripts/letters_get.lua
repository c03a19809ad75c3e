-- letters_get reads one stored dead task.
-- KEYS: body
-- ARGV: ID
-- Returns: the envelope, or "" when there is none
-- Cost: one O(1) command.
return redis.call('HGET', body, ARGV[1]) or ''
