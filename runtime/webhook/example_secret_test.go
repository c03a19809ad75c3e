package webhook_test

import (
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime/webhook"
)

// A secret is handed to people as text. Printed or logged it shows no more than its length.
func ExampleParseSecret() {
	secret, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret)
	fmt.Println(secret.Text())
	// Output:
	// webhook.Secret[24 bytes]
	// whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
}
