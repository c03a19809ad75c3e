package split

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// Options say how a document is cut. They travel as the parameters of a
// document's task; see [FromParameters].
type Options struct {
	Splitter string // "headings" (the default) or "windows"
	Size     int    // words of a chunk at most; 120 by default
	Overlap  int    // words that a chunk repeats of the one before; 20 by default
}

// The defaults of Options. 120 words is about a paragraph or two: small enough
// for a chunk to be about one thing, large enough to be read on its own.
const (
	DefaultSplitter = "headings"
	DefaultSize     = 120
	DefaultOverlap  = 20
)

// FromParameters reads options from a task's parameters: "splitter" (string),
// "size" and "overlap" (whole numbers, which JSON gives back as float64). What is
// absent has its default. The error names the parameter that is wrong.
func FromParameters(parameters map[string]any) (Options, error) {
	o := Options{Splitter: DefaultSplitter, Size: DefaultSize, Overlap: DefaultOverlap}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		var err error
		switch value := parameters[name]; name {
		case "splitter":
			var ok bool
			if o.Splitter, ok = value.(string); !ok {
				err = fmt.Errorf("parameter %q is %v (%T): give the name of a splitter", name, value, value)
			}
		case "size":
			o.Size, err = wholeNumber(name, value)
		case "overlap":
			o.Overlap, err = wholeNumber(name, value)
		default:
			err = fmt.Errorf("unknown parameter %q: there are splitter, size and overlap", name)
		}
		if err != nil {
			return Options{}, err
		}
	}
	if o.Size < 1 || o.Overlap < 0 || o.Overlap >= o.Size {
		return Options{}, fmt.Errorf("chunks of %d words that overlap by %d: size is at least 1, and overlap at least 0 and below size", o.Size, o.Overlap)
	}
	return o, nil
}

func wholeNumber(name string, value any) (int, error) {
	switch v := value.(type) {
	case int:
		return v, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= math.MaxInt32 {
			return int(v), nil
		}
	}
	return 0, fmt.Errorf("parameter %q is %v (%T): give a whole number", name, value, value)
}
