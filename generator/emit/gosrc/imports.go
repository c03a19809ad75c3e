package gosrc

import (
	"bytes"
	"strings"
)

// groupImports puts a blank line between the imports of the standard library
// and all others, and sorts neither: jennifer has sorted them by path, with one
// import on a line.
func groupImports(src []byte) []byte {
	const open, end = "\nimport (\n", "\n)\n"
	start := bytes.Index(src, []byte(open))
	if start < 0 {
		return src
	}
	start += len(open)
	length := bytes.Index(src[start:], []byte(end))
	var std, other []string
	for line := range strings.SplitSeq(string(src[start:start+length]), "\n") {
		_, path, _ := strings.Cut(line, `"`)
		if first, _, _ := strings.Cut(strings.TrimSuffix(path, `"`), "/"); strings.Contains(first, ".") {
			other = append(other, line)
		} else {
			std = append(std, line)
		}
	}
	block := strings.Join(std, "\n") + "\n\n" + strings.Join(other, "\n")
	return append(append(bytes.Clone(src[:start]), block...), src[start+length:]...)
}
