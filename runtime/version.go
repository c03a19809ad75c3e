package runtime

// GeneratedCodeVersion1 is there for generated code to refer to: a file that
// needs a newer runtime than the one in go.mod does not compile. Its value means
// nothing.
const GeneratedCodeVersion1 = true

// String and Error are the predeclared types, for generated code in packages
// that have given these names to something else.
type (
	String = string
	Error  = error
)
