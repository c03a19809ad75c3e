package wire

// A Consequence is what becomes of a value that is read in another form than it was written in.
type Consequence int

// The consequences, in the order of how bad they are.
const (
	Loss    Consequence = iota + 1 // a part of it is missing, and nobody is told
	Garbled                        // it becomes another value, and nobody is told
	Failure                        // the payload cannot be read, or is refused: the task dies
)

func (c Consequence) String() string {
	switch c {
	case Loss:
		return "loss"
	case Garbled:
		return "garbled"
	case Failure:
		return "error"
	}
	return "safe"
}

// A Problem is a kind of difference between what is written and what is read.
type Problem string

// The problems. Each is a rule of the generator with the prefix WIRE_.
const (
	Removed   Problem = "REMOVED"   // a member is not read
	Required  Problem = "REQUIRED"  // a member is refused that may be absent or zero
	Type      Problem = "TYPE"      // another kind of value
	Range     Problem = "RANGE"     // a number that may be too large, negative or a fraction
	Precision Problem = "PRECISION" // a number whose last digits may be lost
	Quoted    Problem = "QUOTED"    // a value within a string, or no longer within one
	Length    Problem = "LENGTH"    // a list that may be cut
	Key       Problem = "KEY"       // keys of a map
	Null      Problem = "NULL"      // null becomes a zero value
	Codec     Problem = "CODEC"     // other code writes than reads, and what it writes is not known
	Case      Problem = "CASE"      // two members that differ in the case of their letters become one
)

// A Finding is a value that does not survive.
type Finding struct {
	Problem     Problem
	Consequence Consequence
	// Path is the place in what was written, as in Line; for Required in what is read.
	Path string
	// Written and Read are the forms there; empty: there is none.
	Written, Read string
}
