package driver

import (
	"bytes"
	"context"
)

// DecodeResults returns results with an encoding undone. decode gets a task with the
// requested ID, the encodings of the result and the result as the payload, and returns
// it, or a copy by Task.Decoded. It gets plain results, too, and its errors name the
// task. DecodeResults is for packages of middleware; see KeyRing.Results of package
// encrypt.
func DecodeResults(from Results, decode func(*Task) (*Task, error)) Results {
	return &decodedResults{from, decode}
}

type decodedResults struct {
	from   Results
	decode func(*Task) (*Task, error)
}

func (rs *decodedResults) Await(ctx context.Context, id string) ([]byte, error) {
	data, err := rs.from.Await(ctx, id)
	if err != nil {
		return nil, err
	}
	t := UnpackResult(data)
	t.ID = id
	if t, err = rs.decode(t); err != nil {
		return nil, err
	}
	return PackResult(t), nil
}

// Peek and Forget make it a ResultKeeper if from is one.
func (rs *decodedResults) Peek(ctx context.Context, ids []string) ([]StoredResult, error) {
	from, ok := rs.from.(ResultKeeper)
	if !ok {
		return make([]StoredResult, len(ids)), nil
	}
	all, err := from.Peek(ctx, ids)
	for i, r := range all {
		if r.Version == "" || r.Failure != "" {
			continue
		}
		t := UnpackResult(r.Result)
		t.ID = r.ID
		if t, err := rs.decode(t); err == nil { // an undecodable result may still be forgotten
			all[i].Result = PackResult(t)
		}
	}
	return all, err
}

func (rs *decodedResults) Forget(ctx context.Context, old []StoredResult) error {
	if from, ok := rs.from.(ResultKeeper); ok {
		return from.Forget(ctx, old)
	}
	return nil
}

// A stored encoded result begins with a byte that begins no JSON, and then has the list
// of its encodings between two of these bytes.
const encodedMark = "\x00"

// PackResult is a result as a store keeps it.
func PackResult(t *Task) []byte {
	if t.Encoding == "" {
		return t.Payload
	}
	packed := make([]byte, 0, 2+len(t.Encoding)+len(t.Payload))
	packed = append(append(append(packed, encodedMark...), t.Encoding...), encodedMark...)
	return append(packed, t.Payload...)
}

// UnpackResult undoes PackResult.
func UnpackResult(data []byte) *Task {
	if rest, ok := bytes.CutPrefix(data, []byte(encodedMark)); ok {
		if encoding, payload, ok := bytes.Cut(rest, []byte(encodedMark)); ok {
			return &Task{Encoding: string(encoding), Payload: payload}
		}
	}
	return &Task{Payload: data}
}
