package driver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// benchTask is a task as generated code makes it, with a payload of about the
// given size.
func benchTask(size int) *Task {
	return &Task{
		ID: "0195a2f4-6e8b-7c1d-9a34-5b1f0e2d3c4b", Type: "embedding", Queue: "embeddings",
		Payload:   fmt.Appendf(nil, `{"text":%q,"model":"small","agent_id":"agent-7"}`, strings.Repeat("all the words of it ", size/20)),
		Metadata:  map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tenant": "blue"},
		CreatedAt: time.Date(2026, 3, 1, 10, 20, 30, 123456789, time.UTC), MaxRetries: 5, Timeout: 2 * time.Minute,
	}
}

func BenchmarkEnvelope(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		task := benchTask(size)
		data := AppendEnvelope(nil, task)
		run := func(name string, op func() error) {
			b.Run(fmt.Sprintf("%s/payload=%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					if err := op(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		room := make([]byte, 0, 2*len(data))
		run("Encode", func() error { room = AppendEnvelope(room[:0], task); return nil })
		v := EnvelopeVersion
		ref := refEnvelope{
			Version: &v, ID: task.ID, Type: task.Type, Queue: task.Queue, Payload: task.Payload, Metadata: task.Metadata,
			CreatedAt: task.CreatedAt, MaxRetries: task.MaxRetries, Timeout: task.Timeout.Milliseconds(),
		}
		run("EncodingJSONEncode", func() error { _, err := json.Marshal(&ref); return err })
		run("Decode", func() error { _, err := DecodeEnvelope(data); return err })
		run("EncodingJSONDecode", func() error { return json.Unmarshal(data, new(refEnvelope)) })
		run("Validate", task.Validate)
	}
}
