// Package filter is the language in which people say which tasks they mean:
//
//	type:email state:dead age>1h error~timeout
//
// The API, the command line and the dashboard read the same text. A filter is parsed once by
// [Parse] and then asked about the [Facts] of one task after another. docs/filter.md is the
// guide.
//
// A filter looks at payloads as people see them: without their secrets. Nobody can find out a
// secret by guessing at it.
package filter
