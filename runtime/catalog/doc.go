// Package catalog makes tasks of types whose Go code the program does not have: a server
// for producers in other languages, say. What it needs to know of a type is in a file that
// taskgen -catalog writes (see [Load]), and workers publish it in their fleet (see package
// fleet).
//
// A task that is made so is the one that an enqueue in Go makes of the same JSON: its
// payload is read and written by encoding/json, with the same fields of the same kinds, and
// its keys are those of runtime.KeyOf. What only code of the type can do is left to the
// worker: Validate, and what the type's own UnmarshalJSON refuses. A task that they refuse
// dies there with runtime.ErrInvalidTask.
package catalog
