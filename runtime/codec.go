package runtime

import "encoding/json"

// A Codec turns payloads into JSON and back. Its output must be deterministic: unique
// keys derive from it, so equal values must give equal bytes. Many goroutines use it at
// once.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// JSON is the default Codec: encoding/json.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }
