package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// What an entry says of a task, or of the process that wrote it.
const (
	Planned   = "planned"   // about to be enqueued
	Accepted  = "accepted"  // its enqueue returned nil
	Duplicate = "duplicate" // its unique key was taken
	Refused   = "refused"   // its enqueue failed, and it is known that nothing was enqueued
	Unknown   = "unknown"   // its enqueue failed, and nobody knows
	Begun     = "begun"     // a handler runs it
	Failed    = "failed"    // the handler returned an error
	Done      = "done"      // the handler returns nil
	Settled   = "settled"   // the queue has confirmed that it is completed
	Buried    = "buried"    // the queue has confirmed that it is on the dead letter queue
	Dead      = "dead"      // it was found on the dead letter queue in the end
	Left      = "left"      // the process ended in good order, with nothing left running
	Leaked    = "leaked"    // the process ended in good order, except for what Text says
)

// An Entry is one line of a book.
type Entry struct {
	At    time.Time `json:"at"`
	What  string    `json:"what"`
	ID    string    `json:"id,omitempty"`
	Type  string    `json:"type,omitempty"`  // of a planned task
	Due   time.Time `json:"due,omitzero"`    // of a planned task
	Group string    `json:"group,omitempty"` // of a planned task
	Key   string    `json:"key,omitempty"`   // its unique key
	Start time.Time `json:"start,omitzero"`  // of a run: when the pool chose it, while its lease held
	Text  string    `json:"text,omitempty"`  // an error
	From  string    `json:"from,omitempty"`  // the process, from the name of the book
}

// A Book is what one process writes down, line by line. A line that was written
// survives a kill of the process: the operating system has it.
type Book struct{ f *os.File }

// OpenBook makes a book of a process in a folder, or goes on with it.
func OpenBook(dir, process string) (*Book, error) {
	f, err := os.OpenFile(filepath.Join(dir, process+".jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &Book{f}, nil
}

// Write adds an entry with the present time. It may be called by many goroutines.
func (b *Book) Write(e Entry) {
	e.At = time.Now()
	line, err := json.Marshal(e)
	if err == nil {
		_, err = b.f.Write(append(line, '\n')) // one write, so that a kill cuts no line in two
	}
	if err != nil {
		panic(fmt.Sprintf("ledger: write %s: %v", b.f.Name(), err)) // a ledger with gaps proves nothing
	}
}

// Close closes the file.
func (b *Book) Close() error { return b.f.Close() }

// Read returns the entries of all books in a folder, in the order of time.
func Read(dir string) ([]Entry, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		process := filepath.Base(name[:len(name)-len(".jsonl")])
		for r := bufio.NewReader(f); ; {
			line, err := r.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				break // what is left of a line is still being written
			}
			var e Entry
			if err := errors.Join(err, json.Unmarshal(line, &e)); err != nil {
				return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
			}
			e.From = process
			all = append(all, e)
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return a.At.Compare(b.At) })
	return all, nil
}
