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

// Steps are the names of a path that SecretPath has made, and EveryElement for all elements of
// a list or map.
func Steps(path string) []string {
	if path == "" {
		return nil
	}
	steps := strings.Split(path[1:], "/")
	for i, step := range steps {
		if name, ok := secretpath.Unescape(step); ok {
			steps[i] = name
		}
	}
	return steps
}
