package filter

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Filter says which tasks are meant. The zero value means all. It is safe for concurrent
// use.
type Filter struct {
	terms []term
}

// ErrInvalid: a text is not a filter. The error is an [*Error].
var ErrInvalid = errors.New("taskgen: invalid filter")

// An Error says what is wrong with the text of a filter, and where. It wraps ErrInvalid.
type Error struct {
	// Column is where, counted in characters from 1.
	Column int
	// Problem is what, and how to mend it.
	Problem string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%v: column %d: %s", ErrInvalid, e.Column, e.Problem)
}

// Unwrap returns ErrInvalid.
func (e *Error) Unwrap() error { return ErrInvalid }

// Facts are what a filter knows of a task. A zero time is unknown: no comparison with it
// holds.
type Facts struct {
	ID    string
	Type  string // wire name
	Queue string
	State string // ready, scheduled, leased or dead
	// Since is from when the age counts: when the task died, or was created if it is not
	// dead.
	Since time.Time
	// Due is when the task became or becomes due.
	Due        time.Time
	Retries    int
	MaxRetries int
	Runs       int
	Redrives   int
	Priority   int
	Group      string // what dead letters that failed in the same way have in common
	GroupKey   string
	UniqueKey  string
	Error      string // of the last run that failed
	// Payload is the JSON that people may see, without secrets.
	Payload  string
	Metadata map[string]string
}

// Matches reports whether a task is meant. now is the time from which ages count.
func (f Filter) Matches(facts *Facts, now time.Time) bool {
	for i := range f.terms {
		if t := &f.terms[i]; t.holds(facts, now) == t.not {
			return false
		}
	}
	return true
}

// States returns the states that the filter names, nil if it names none. A term that excludes
// a state names none.
func (f Filter) States() (names []string) {
	for _, t := range f.terms {
		if t.field == stateField && !t.not {
			for _, v := range t.values {
				names = append(names, v.text)
			}
		}
	}
	return names
}

// String returns the filter as text. Parse makes the same filter of it.
func (f Filter) String() string {
	texts := make([]string, len(f.terms))
	for i, t := range f.terms {
		texts[i] = t.String()
	}
	return strings.Join(texts, " ")
}

// A term is one condition.
type term struct {
	not      bool
	field    *field
	metadata string // name of the metadata, of a term about it
	operator string
	values   []value // of which one must hold; more than one only for ":"
}

// A value is what a field is compared with.
type value struct {
	text   string // as it was written
	lower  string // for ~
	number int64
	span   time.Duration
	at     time.Time // instead of span; zero: there is none
}

func (t *term) holds(f *Facts, now time.Time) bool {
	for i := range t.values {
		if t.field.holds(t, &t.values[i], f, now) {
			return true
		}
	}
	return false
}

func (t *term) String() string {
	var b strings.Builder
	if t.not {
		b.WriteByte('-')
	}
	b.WriteString(t.field.name)
	if t.field.kind == metadataKind {
		b.WriteByte('.')
		b.WriteString(quoteIf(t.metadata, nameNeedsQuotes))
	}
	b.WriteString(t.operator)
	for i, v := range t.values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoteIf(v.text, valueNeedsQuotes))
	}
	return b.String()
}
