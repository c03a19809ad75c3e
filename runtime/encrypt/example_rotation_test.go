package encrypt_test

import (
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/encrypt"
)

// Keys are rotated in three deploys. The ring of each reads what the previous and the
// next deploy write.
func ExampleNewKeyRing() {
	march := []byte(strings.Repeat("m", encrypt.KeySize)) // read from a secret store
	april := []byte(strings.Repeat("a", encrypt.KeySize))
	both := map[string][]byte{"march": march, "april": april}
	ring := func(primary string, keys map[string][]byte) *encrypt.KeyRing {
		r, err := encrypt.NewKeyRing(primary, keys, encrypt.Require("welcome"))
		if err != nil {
			log.Fatal(err)
		}
		return r
	}
	before := ring("march", map[string][]byte{"march": march})
	added := ring("march", both)                              // 1. everybody knows the new key
	switched := ring("april", both)                           // 2. everybody writes with it
	after := ring("april", map[string][]byte{"april": april}) // 3. nothing that the old one wrote is left

	t := &runtime.Task{ID: "7", Type: "welcome", Queue: "mail", Payload: []byte(`"ada"`)}
	for _, reader := range []*encrypt.KeyRing{before, added, switched} {
		opened, err := reader.Decrypt(before.Encrypt(t))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(reader, "reads what march wrote:", string(opened.Payload))
	}
	_, err := after.Decrypt(before.Encrypt(t))
	fmt.Println(after, "is too early:", errors.Is(err, encrypt.ErrUnknownKey))
	// Output:
	// encrypt.KeyRing(primary "march" of ["march"]) reads what march wrote: "ada"
	// encrypt.KeyRing(primary "march" of ["april" "march"]) reads what march wrote: "ada"
	// encrypt.KeyRing(primary "april" of ["april" "march"]) reads what march wrote: "ada"
	// encrypt.KeyRing(primary "april" of ["april"]) is too early: true
}
