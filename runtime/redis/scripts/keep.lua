-- keep: for scripts that make no more of what is there, and begin with a command
-- that may take memory. A server that is full refuses such a command only until
-- the script has written: this writes, and changes nothing.
-- KEYS: meta
redis.call('HDEL', meta, '')
