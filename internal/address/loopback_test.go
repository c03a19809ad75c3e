package address

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLoopbackIsThisMachineAlone(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.1.2.3": true, "localhost": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "fe80::1": false, "localhost.example.com": false, "127.0.0.1.example.com": false,
	} {
		assert.Equal(t, want, Loopback(host), host)
	}
}
