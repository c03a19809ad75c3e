// Package output collects the output of goroutines and processes in tests: logs and
// standard output.
package output

import (
	"strings"
	"sync"
)

// A Buffer is a writer whose text can be read while others write. The zero value is empty. It
// is safe for concurrent use.
type Buffer struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // nil: nobody waits
}

// Write adds to the text. It does not fail.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.more != nil {
		close(b.more)
		b.more = nil
	}
	return b.text.Write(p)
}

// String returns all that was written.
func (b *Buffer) String() string {
	text, _ := b.Read()
	return text
}

// Read returns all that was written, and a channel that is closed when there is more.
func (b *Buffer) Read() (text string, more <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.more == nil {
		b.more = make(chan struct{})
	}
	return b.text.String(), b.more
}
