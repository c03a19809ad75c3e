package model

import (
	"strings"

	"github.com/taskgen/taskgen/internal/secretpath"
)

// EveryElement is the step of a secret's path to all elements of a list or map.
const EveryElement = "*"

// SecretPath makes a path from JSON names; see package secretpath. Without names it is
// the whole message.
func SecretPath(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString("/" + secretpath.Escape(name))
	}
	return b.String()
}
