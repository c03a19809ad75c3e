package webhook_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/taskgen/taskgen/runtime/webhook"
)

func ExampleSecret_Verify() {
	secret := webhook.NewSecret()
	body := []byte(`{"text":"3 dead on mail-dlq"}`)

	h := make(http.Header) // of a request
	secret.Sign(h, "msg_1", time.Now(), body)

	id, err := secret.Verify(h, time.Now(), body)
	fmt.Println(id, err)
	_, err = secret.Verify(h, time.Now(), []byte(`{"text":"all is well"}`))
	fmt.Println(err)
	// Output:
	// msg_1 <nil>
	// no signature of the message fits
}
