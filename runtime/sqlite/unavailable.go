package sqlite

import (
	"errors"

	"zombiezen.com/go/sqlite"

	"github.com/taskgen/taskgen/runtime/driver"
)

// unavailable makes an error of SQLite ErrUnavailable if the file could not be used for
// now: others kept it locked, or the system failed to read or write it. After a failed
// write it is not known what is on the disk. A full disk is ErrQueueFull for callers that
// add tasks; it, a damaged file, one that is gone and a constraint are known outcomes. So
// is the end of a context: a call that has begun is waited for, and one that has not does
// nothing.
func unavailable(err error) error {
	if err == nil || isFull(err) || errors.Is(err, ErrFileGone) {
		return err
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultLocked, sqlite.ResultProtocol, sqlite.ResultIOErr:
		return driver.Unavailable(err)
	}
	return err
}
