package rule

import (
	"strings"

	"github.com/taskgen/taskgen/internal/nearest"
)

// Nearest returns the known name that a wrong one was probably meant to be, and false if
// none is near.
func Nearest(name string, known []string) (string, bool) { return nearest.Name(name, known) }

// DidYouMean is a fix for a wrong name: the nearest known one, or else all known ones.
func DidYouMean(name string, known []string) string {
	if k, ok := Nearest(name, known); ok {
		return "did you mean " + k + "?"
	}
	if len(known) == 0 {
		return ""
	}
	return "known are " + strings.Join(known, ", ")
}
