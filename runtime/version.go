package runtime

// The versions of generated code that this runtime works with. Generated code refers to
// them: a file that needs a newer runtime than the one in go.mod does not compile, and
// the compiler prints what to do. Their values mean nothing.
const (
	GeneratedCodeVersion1                    = true
	GeneratedCodeVersion2_missing_run_go_get = true
	GeneratedCodeVersion3_missing_run_go_get = true
)

// String and Error are the predeclared types, for generated code in packages that
// declare these names themselves.
type (
	String = string
	Error  = error
)
