package chunklog

import (
	"encoding/binary"
	"time"

	"github.com/taskgen/taskgen/runtime/history/historystore"
)

// Record is historystore.Record.
type Record = historystore.Record

// Bounds of chunks, for all providers.
const (
	// Size is how large a chunk is, body and index, before another one is begun.
	Size = 16 << 10
	// Overhead is what a chunk counts beside its body and its index: the keys and rows
	// under which providers keep it.
	Overhead = 256
	// mostPiece bounds a piece. One record may exceed it.
	mostPiece = 64 << 10
	// parts is how many chunks a limit of age has at least: see Span.
	parts = 16
)

// Span is how long a chunk is appended to. A chunk is removed when its last record is old,
// so this bounds how much longer its first ones are kept.
func Span(keep historystore.Limits) time.Duration { return max(keep.Age/parts, 1) }

// A Piece is an encoded batch of records. Chunks are made by appending pieces: the bodies
// and the indexes, each one behind the other.
type Piece struct{ Body, Index []byte }

// Len is how many bytes a piece counts.
func (p Piece) Len() int { return len(p.Body) + len(p.Index) }

// version is in the head of a piece's body.
const version = 1

// The flags of an encoded record.
const (
	flagUUID  = 1 << iota // the ID is that of a UUID in lower case, as 16 bytes
	flagRan               // StartedAt is set
	flagDue               // DueAt is set
	flagTrace             // there is a trace ID
	flagHex               // which has 32 hexadecimal digits in lower case, as 16 bytes
	flagError
)

// Encode encodes records in their order, as one piece or more.
func Encode(records []Record) []Piece {
	var pieces []Piece
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && (n == 0 || size < mostPiece) {
			size += 40 + len(records[n].Error) // errors that repeat stand there once: an upper bound
			n++
		}
		pieces = append(pieces, encode(records[:n]))
		records = records[n:]
	}
	return pieces
}

// An encoder writes the records of one piece.
type encoder struct {
	texts map[string]uint64
	dict  []byte
	body  []byte      // of the piece
	names [4]numbered // those of the record before
	last  int64       // its EndedAt
}

// A numbered is a text of the dictionary.
type numbered struct {
	text string
	n    uint64
	set  bool
}

// headSize is how many bytes a piece's body has before its records: the number of those that
// follow, and that of the records, each in four bytes, and the version.
const headSize = 9

// encode writes a piece: its head; how many records there are, and each; how many texts, and
// each with its length. The index has the number of records, their first and their last
// time, and the mark of each task.
func encode(records []Record) Piece {
	e := &encoder{texts: make(map[string]uint64, 16), body: make([]byte, headSize, 128+48*len(records))}
	e.body = binary.AppendUvarint(e.body, uint64(len(records)))
	index := binary.AppendUvarint(make([]byte, 0, 24+2*len(records)), uint64(len(records)))
	first, last := records[0].EndedAt.UnixMicro(), records[0].EndedAt.UnixMicro()
	for i := range records {
		at := records[i].EndedAt.UnixMicro()
		first, last = min(first, at), max(last, at)
		e.record(&records[i])
	}
	index = binary.AppendUvarint(binary.AppendVarint(index, -first), uint64(last-first))
	for i := range records {
		index = binary.LittleEndian.AppendUint16(index, mark(records[i].TaskID))
	}
	body := append(binary.AppendUvarint(e.body, uint64(len(e.texts))), e.dict...)
	binary.LittleEndian.PutUint32(body, uint32(len(body)-4))
	binary.LittleEndian.PutUint32(body[4:], uint32(len(e.body)-headSize))
	body[8] = version
	return Piece{body, index}
}

// record appends one record. Its times are differences: most are small.
func (e *encoder) record(r *Record) {
	id, isUUID := packUUID(r.TaskID)
	trace, isHex := packHex(r.TraceID)
	e.body = append(e.body, flag(isUUID, flagUUID)|flag(r.Ran(), flagRan)|flag(!r.DueAt.IsZero(), flagDue)|
		flag(r.TraceID != "", flagTrace)|flag(isHex, flagHex)|flag(r.Error != "", flagError))
	e.id(isUUID, id, r.TaskID)
	for i, text := range [...]string{r.Type, r.Queue, r.Worker, string(r.Outcome)} {
		e.name(&e.names[i], text)
	}
	e.body = binary.AppendUvarint(e.body, uint64(r.Attempt))
	e.body = binary.AppendUvarint(e.body, uint64(r.Crashes))
	at := e.time(e.last, r.EndedAt)
	e.last = at
	if r.Ran() {
		at = e.time(at, r.StartedAt)
	}
	if !r.DueAt.IsZero() {
		at = e.time(at, r.DueAt)
	}
	e.time(at, r.EnqueuedAt)
	if r.TraceID != "" {
		e.id(isHex, trace, r.TraceID)
	}
	if r.Error != "" {
		e.body = binary.AppendUvarint(e.body, e.number(r.Error))
	}
}

func flag(is bool, flag byte) byte {
	if is {
		return flag
	}
	return 0
}

// time appends a time as what is between it and another one, and returns it.
func (e *encoder) time(from int64, t time.Time) int64 {
	at := t.UnixMicro()
	e.body = binary.AppendVarint(e.body, from-at)
	return at
}

// id appends 16 bytes, or a text of any length.
func (e *encoder) id(packed bool, id [16]byte, text string) {
	if packed {
		e.body = append(e.body, id[:]...)
		return
	}
	e.body = appendText(e.body, text)
}

// name appends the number of a text that as a rule is the same as in the record before.
func (e *encoder) name(last *numbered, s string) {
	if !last.set || last.text != s {
		*last = numbered{s, e.number(s), true}
	}
	e.body = binary.AppendUvarint(e.body, last.n)
}

// number returns the number of a text in the dictionary.
func (e *encoder) number(s string) uint64 {
	n, ok := e.texts[s]
	if !ok {
		n = uint64(len(e.texts))
		e.texts[s] = n
		e.dict = appendText(e.dict, s)
	}
	return n
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
