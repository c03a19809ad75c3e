// Package process names processes, so that an operator can distinguish them on a broker.
package process

import (
	"os"
	"strconv"
)

// Name is the name of this process among those of all machines: its host's and its ID,
// as in web7-4711. A pool has it by default.
func Name() string {
	host, _ := os.Hostname() // without one the ID has to do
	return host + "-" + strconv.Itoa(os.Getpid())
}
