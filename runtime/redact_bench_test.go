package runtime_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/generated"
)

// What a task costs to enqueue that has a secret and a list of ten values with
// secrets: bare without methods, and then with those that are generated.

type bareCred struct {
	User  string `json:"user"`
	Token string `json:"token" task:"secret"`
}

type barePay struct {
	Card  string     `json:"card" task:"secret"`
	Creds []bareCred `json:"creds"`
}

type hiddenCred bareCred

func (t hiddenCred) MarshalJSON() ([]byte, error) {
	type plain hiddenCred
	return generated.MarshalJSON(&t, (*plain)(&t))
}

type hiddenPay struct {
	Card  string       `json:"card" task:"secret"`
	Creds []hiddenCred `json:"creds"`
}

func (t hiddenPay) MarshalJSON() ([]byte, error) {
	type plain hiddenPay
	return generated.MarshalJSON(&t, (*plain)(&t))
}

type flatPay struct {
	Card  string     `json:"card" task:"secret"`
	Creds []bareCred `json:"creds"`
}

func (t flatPay) MarshalJSON() ([]byte, error) {
	type plain flatPay
	return generated.MarshalJSON(&t, (*plain)(&t))
}

func BenchmarkEnqueueHidden(b *testing.B) {
	var took []byte
	to := runtime.EnqueuerFunc(func(_ context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		took = tasks[0].Payload
		return make([]runtime.Enqueued, len(tasks)), nil
	})
	cred := bareCred{"ann", "hunter2"}
	bare, hidden := barePay{Card: "4242"}, hiddenPay{Card: "4242"}
	for range 10 {
		bare.Creds, hidden.Creds = append(bare.Creds, cred), append(hidden.Creds, hiddenCred(cred))
	}
	flat := flatPay(bare)
	want, _ := json.Marshal(bare)
	b.Run("bare", func(b *testing.B) { enqueueLoop(b, to, &runtime.Spec[barePay]{}, &bare) })
	b.Run("flat", func(b *testing.B) {
		enqueueLoop(b, to, &runtime.Spec[flatPay]{Plain: func(t *flatPay) any { type plain flatPay; return (*plain)(t) }}, &flat)
	})
	b.Run("nested", func(b *testing.B) {
		enqueueLoop(b, to, &runtime.Spec[hiddenPay]{Plain: func(t *hiddenPay) any { type plain hiddenPay; return (*plain)(t) }}, &hidden)
	})
	if string(took) != string(want) {
		b.Fatalf("%s, want %s", took, want)
	}
}

func enqueueLoop[T any](b *testing.B, to runtime.Enqueuer, spec *runtime.Spec[T], v *T) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := runtime.Enqueue(b.Context(), to, spec, v); err != nil {
			b.Fatal(err)
		}
	}
}
