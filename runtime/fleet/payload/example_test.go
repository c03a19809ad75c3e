package payload_test

import (
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/payload"
)

// welcome is a type as Fleet.Types returns it.
var welcome = fleet.Type{
	Name:    "welcome",
	Schema:  `{"type":"object","properties":{"email":{"type":"string"},"token":{"type":"string"}},"required":["email"]}`,
	Secrets: []string{"/token"},
}

func ExampleRedact() {
	fmt.Println(string(payload.Redact(welcome, []byte(`{"email":"ada@example.com","token":"s3cret"}`))))
	// Output: {"email":"ada@example.com","token":"••••"}
}

func ExampleCheck() {
	err := payload.Check(welcome, []byte(`{"token":"s3cret"}`))
	fmt.Println(errors.Is(err, payload.ErrInvalid))
	fmt.Println(err)
	// Output:
	// true
	// taskgen: invalid payload: at "": required: email
}

func ExampleChecker() {
	checker := payload.NewChecker(welcome)
	for _, data := range []string{`{"email":"ada@example.com"}`, `{"email":1}`} {
		fmt.Println(errors.Is(checker.Check([]byte(data)), payload.ErrInvalid))
	}
	// Output:
	// false
	// true
}
