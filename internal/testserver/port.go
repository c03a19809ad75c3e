package testserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below those that systems give to outgoing connections
// (from 32768 on Linux, 49152 elsewhere): one of those could sit on a server's
// port while it restarts.
const firstPort, lastPort = 10_000, 32_000

// freePorts returns n ports of 127.0.0.1 on which nobody listens.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp4", loopback(port))
		if err != nil {
			continue
		}
		defer l.Close() // at the end, so that no port is given twice
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("there is no free port on 127.0.0.1")
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
