package generated

// Version1_missing_run_go_get is the version of generated code that this runtime works
// with. Each generated file refers to its version: a file that needs a newer runtime
// than the one in go.mod does not compile, and the compiler prints what to do. The value
// means nothing.
const Version1_missing_run_go_get = true
