// Package generated is what generated code calls besides package runtime. Handwritten
// code needs little of it: a struct that embeds a type with secrets also embeds
// [NoMarshalJSON], and a handwritten MarshalJSON of a type with secrets returns what
// [MarshalJSON] returns.
package generated
