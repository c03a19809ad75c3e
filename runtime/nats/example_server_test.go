package nats_test

import (
	"log"

	"github.com/taskgen/taskgen/runtime/nats"
)

// server is the URL of a server with JetStream, such as nats://localhost:4222.
func server() string {
	url, err := nats.SharedURL()
	if err != nil {
		log.Fatal(err)
	}
	return url
}
