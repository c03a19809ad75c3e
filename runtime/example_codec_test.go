package runtime_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// strict is a codec that refuses fields it does not know, which the default one skips.
type strict struct{}

func (strict) Marshal(v any) ([]byte, error) { return runtime.JSON.Marshal(v) }

func (strict) Unmarshal(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// A spec with a codec of its own: the payloads of one type are JSON that is read strictly.
func ExampleCodec() {
	type welcome struct {
		To string `json:"to"`
	}
	spec := &runtime.Spec[welcome]{Type: "welcome", Queue: "mail", Codec: strict{}}
	t, err := runtime.NewTask(spec, &welcome{To: "ada"}, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	w, err := spec.Decode(t)
	fmt.Println(w.To, err)

	t.Payload = []byte(`{"to":"ada","lang":"en"}`)
	_, err = spec.Decode(t)
	fmt.Println(err != nil)
	// Output:
	// ada <nil>
	// true
}
