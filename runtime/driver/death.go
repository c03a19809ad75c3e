package driver

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
)

// A Death identifies one death of a task, so that an operation on a dead task that was
// read earlier affects no other. A task that is redriven and dies again, or whose ID is
// used again, has another Death.
type Death struct {
	ID string
	// Version is 32 hexadecimal digits, the same for every reader of the dead task.
	Version string
}

// DeathOf returns the death of a dead task that Browse or a delivery from the dead letter
// queue returned. It derives from when and why the task died, how often it was redriven
// before, and when it was enqueued; for a message that cannot be decoded, from its bytes.
func DeathOf(t *Task) Death {
	h := sha256.New()
	number := func(n int64) {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(n))
		_, _ = h.Write(b[:])
	}
	word := func(s string) {
		number(int64(len(s)))
		_, _ = io.WriteString(h, s)
	}
	word(t.ID)
	if t.Type == UndecodableType {
		word(string(t.Payload))
	} else {
		number(t.CreatedAt.Unix())
		number(int64(t.CreatedAt.Nanosecond()))
		for _, key := range [...]string{MetaFailedAt, MetaFailureReason, MetaOriginalQueue, MetaAttempts, MetaRedriveCount, MetaClaimed} {
			word(t.Metadata[key])
		}
	}
	return Death{t.ID, hex.EncodeToString(h.Sum(nil)[:16])}
}

// IDsOf returns the IDs of the tasks that died, in the order of deaths; nil for none.
func IDsOf(deaths []Death) []string {
	if len(deaths) == 0 {
		return nil
	}
	ids := make([]string, len(deaths))
	for i, d := range deaths {
		ids[i] = d.ID
	}
	return ids
}

// An Edit is what a redrive changes of a dead task: its payload, and with it the shape of
// the payload, which is empty if it is not known.
type Edit struct {
	Payload []byte
	Shape   string
}

// Apply changes the task. It shares the payload with the edit.
func (e *Edit) Apply(t *Task) { t.Payload, t.Shape = e.Payload, e.Shape }
