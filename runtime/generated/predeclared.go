package generated

// String and Error are the predeclared types, for packages that declare these names
// themselves.
type (
	String = string
	Error  = error
)
