// Package generated is what generated code calls besides package runtime. Handwritten
// code needs little of it: a struct that embeds a type with secrets embeds
// [NoMarshalJSON] beside it, and a MarshalJSON of such a type's own returns
// [MarshalJSON].
package generated
