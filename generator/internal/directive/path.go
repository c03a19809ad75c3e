package directive

import (
	"fmt"
	"path"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/rule"
)

// file is the clean path of a file or folder that every system takes, and that a line of a
// comment can hold.
func file(k *Key, s string) (any, *problem) {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/", r)) {
			fix := "use letters, digits, dots, _, - and slashes"
			if r == '\\' {
				fix = "write / between folders, on every system"
			}
			return nil, &problem{rule.OutputPath, fmt.Sprintf("the path of an output cannot contain %q", r), fix}
		}
	}
	clean := path.Clean(s)
	switch base := path.Base(clean); {
	case path.IsAbs(clean):
		return nil, &problem{rule.OutputPath, "the path is not relative to the folder of the package", "write " + k.Example}
	case k.Ending != "" && (!strings.HasSuffix(base, k.Ending) || base == k.Ending):
		return nil, &problem{rule.OutputPath, "the name of the file does not end in " + k.Ending, "write " + k.Example}
	}
	return clean, nil
}
