package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// auditSyncEvery is how long a record may be in the memory of the machine alone.
	auditSyncEvery = time.Second
	// auditScan bounds what one page reads of a file, in bytes.
	auditScan = 16 << 20
	// auditBlock is how much one read takes.
	auditBlock = 64 << 10
)

// An AuditLog keeps audit records in a file, one line of JSON each, and only ever appends. It is
// for one server at a time, and safe for concurrent use.
//
// A record is in the file before its call is answered: a process that is killed loses none. It is
// synced to disk within a second: a machine that crashes may lose the records of that second. A
// line that was cut off by such an end is left alone, and skipped by readers.
type AuditLog struct {
	mu      sync.Mutex
	f       *os.File
	closed  bool
	torn    bool        // the last line has no end
	syncing *time.Timer // nil: all is synced
	failed  error       // of a sync, for the next record
}

// OpenAuditLog opens the file at a path, and creates it, readable for its owner alone, if there is
// none. Close it after the server.
func OpenAuditLog(path string) (*AuditLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("server: the audit log: %w", err)
	}
	l := &AuditLog{f: f}
	size, err := l.size()
	if err == nil && size > 0 {
		last := make([]byte, 1)
		_, err = f.ReadAt(last, size-1)
		l.torn = last[0] != '\n'
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("server: the audit log: %w", err), f.Close())
	}
	return l, nil
}

func (l *AuditLog) size() (int64, error) {
	info, err := l.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// add implements auditStore.
func (l *AuditLog) add(r AuditRecord) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("%w: the audit log", driver.ErrClosed)
	}
	if l.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := l.f.Write(line)
	if err == nil || n > 0 {
		l.torn = err != nil
	}
	if l.syncing == nil {
		l.syncing = time.AfterFunc(auditSyncEvery, l.sync)
	}
	err = errors.Join(err, l.failed)
	l.failed = nil
	return err
}

func (l *AuditLog) sync() {
	l.mu.Lock()
	l.syncing = nil
	l.mu.Unlock()
	// Without the lock: records are not to wait for a slow disk. Close waits for none, as the
	// file is synced then.
	if err := l.f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = fmt.Errorf("earlier records may not be on disk: %w", err)
	}
}

// Close syncs and closes the file. Later records are lost, and the server logs that. A second
// call does nothing, nor does one on nil.
func (l *AuditLog) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.syncing != nil {
		l.syncing.Stop()
	}
	return errors.Join(l.f.Sync(), l.f.Close())
}

// page implements auditStore. A cursor is where in the file the last record begins that was looked
// at.
func (l *AuditLog) page(match func(*AuditRecord) bool, cursor string, limit int) (page []AuditRecord, next string, err error) {
	end, err := l.size()
	if err != nil {
		return nil, "", err
	}
	if cursor != "" {
		at, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil || at <= 0 || at > end {
			return nil, "", errCursor
		}
		end = at
	}
	lines := backward{r: l.f, at: end}
	for least := end - auditScan; len(page) < limit; {
		line, ok, err := lines.prev()
		if err != nil {
			return nil, "", err
		}
		if !ok {
			return page, "", nil
		}
		var r AuditRecord
		if json.Unmarshal(line, &r) == nil && match(&r) { // else it is torn
			page = append(page, r)
		}
		if lines.begin() <= least {
			break
		}
	}
	if lines.begin() == 0 {
		return page, "", nil
	}
	return page, strconv.FormatInt(lines.begin(), 10), nil
}

// backward reads the lines of a file from the last one on.
type backward struct {
	r   io.ReaderAt
	at  int64  // where buf begins in the file
	buf []byte // what was read and not returned, with the end of its last line
}

// begin is where the line that prev has returned begins.
func (b *backward) begin() int64 { return b.at + int64(len(b.buf)) }

// prev returns the line before, without its end, and false if there is none.
func (b *backward) prev() (line []byte, ok bool, err error) {
	for {
		if n := len(b.buf); n > 0 {
			body := bytes.TrimSuffix(b.buf, []byte{'\n'})
			if at := bytes.LastIndexByte(body, '\n'); at >= 0 || b.at == 0 {
				b.buf = b.buf[:at+1]
				return body[at+1:], true, nil
			}
		}
		if b.at == 0 {
			return nil, false, nil
		}
		size := min(auditBlock, b.at)
		block := make([]byte, size, int(size)+len(b.buf))
		if _, err := b.r.ReadAt(block, b.at-size); err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		b.at, b.buf = b.at-size, append(block, b.buf...)
	}
}
