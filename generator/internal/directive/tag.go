package directive

import "regexp"

var (
	quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	keys   = map[string]*regexp.Regexp{
		"task": regexp.MustCompile(`(?i)\btask(gen)?\s*:`),
		"json": regexp.MustCompile(`(?i)\bjson\s*:`),
	}
)

// Unreadable says that a struct tag which does not hold a key for Go was meant to hold
// it: task or json. A field that was meant to be secret would be shown.
func Unreadable(tag, key string) bool {
	return keys[key].MatchString(quoted.ReplaceAllString(tag, `""`))
}
