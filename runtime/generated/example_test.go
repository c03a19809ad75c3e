package generated_test

import (
	"encoding/json"
	"fmt"
	"log"
	"log/slog"

	"github.com/taskgen/taskgen/runtime/generated"
)

// account has the methods that the generator writes for a task with secrets. They hide
// them from what prints and logs, and from nothing else.
type account struct {
	User     string `json:"user"`
	Password string `json:"password" task:"secret"`
}

func (a account) Format(f fmt.State, verb rune) { generated.Format(f, verb, a) }

func (a account) LogValue() slog.Value { return generated.LogValue(a) }

func (a account) MarshalJSON() ([]byte, error) {
	type plain account // without this method
	return generated.MarshalJSON(a, plain(a))
}

// A type outside of generated code hides its secrets by the same methods. One that embeds
// it and has fields of its own sees to it that these are written, too.
func ExampleMarshalJSON() {
	a := account{User: "ada", Password: "hunter2"}
	fmt.Println(a)

	sent, err := json.Marshal(a) // for a queue, a file, a browser
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(sent))

	type view struct {
		account
		generated.NoMarshalJSON
		Done bool `json:"done"`
	}
	sent, err = json.Marshal(view{account: a, Done: true})
	fmt.Println(string(sent), err)
	// Output:
	// generated_test.account{user: "ada", password: ••••}
	// {"user":"ada","password":"hunter2"}
	// {"user":"ada","password":"hunter2","done":true} <nil>
}
