package sqlite

// childEnv names the function that a copy of the test binary runs in place of
// the tests: the other processes of these tests are real ones.
const childEnv = "TASKGEN_SQLITE_CHILD"

var children = map[string]func(){}
