package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// An Entry is one answer of the receiver, and one line of its log.
type Entry struct {
	At     time.Time       `json:"at"`
	ID     string          `json:"id"`
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body,omitempty"` // of accepted messages
}

// A log is a file of JSON lines. A nil file: none is kept.
type log struct{ file *os.File }

// openLog opens the log at path, and calls each for the entries that are in it.
func openLog(path string, each func(Entry)) (*log, error) {
	if path == "" {
		return &log{}, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the receiver's log: %w", err)
	}
	data, err := io.ReadAll(file)
	if err == nil {
		err = eachLine(data, each)
	}
	// A crash may have left the start of a line. Its message was never thanked
	// for, so it comes again: drop it, or the next line would join it.
	if whole := bytes.LastIndexByte(data, '\n') + 1; err == nil && whole < len(data) {
		err = file.Truncate(int64(whole))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the receiver's log %s: %w", path, err), file.Close())
	}
	return &log{file}, nil
}

func eachLine(data []byte, each func(Entry)) error {
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		if !whole {
			return nil
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		each(e)
		data = rest
	}
}

// append writes one line, in one call: lines do not tear when the process is
// killed. It is on disk when append returns.
func (l *log) append(e Entry) error {
	if l.file == nil {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return l.file.Sync()
}

func (l *log) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
