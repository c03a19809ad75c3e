package rabbitmq_test

import (
	"log"

	"github.com/taskgen/taskgen/runtime/rabbitmq"
)

// broker is the URL of a broker, such as amqp://guest:guest@localhost:5672/.
func broker() string {
	url, err := rabbitmq.SharedURL()
	if err != nil {
		log.Fatal(err)
	}
	return url
}
