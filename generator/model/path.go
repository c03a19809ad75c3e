package model

import "strings"

// EveryElement is the step of a secret's path that leads to all elements of a list
// or map.
const EveryElement = "*"

var escaper = strings.NewReplacer("~", "~0", "/", "~1", "*", "~2")

// SecretPath makes a path out of JSON names: a JSON pointer (RFC 6901) in which ~2
// stands for a * in a name. Without names it is the whole message.
func SecretPath(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteByte('/')
		_, _ = escaper.WriteString(&b, name)
	}
	return b.String()
}
