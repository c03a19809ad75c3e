package config

import (
	"fmt"
	"strings"

	"github.com/taskgen/taskgen/internal/nearest"
)

// known are the schemes of the packages below config, with the package of each. The error
// for an unregistered scheme names the package to import.
var known = map[string]string{
	"memory": "memory",
	"sqlite": "sqlite",
	"redis":  "redis", "rediss": "redis", "redis+cluster": "redis", "rediss+cluster": "redis", "redis+sentinel": "redis", "rediss+sentinel": "redis",
	"sqs":  "sqs",
	"amqp": "rabbitmq", "amqps": "rabbitmq",
	"nats": "nats", "tls": "nats",
}

// importOf is what a program has to write for a known scheme.
func importOf(pkg string) string { return `import _ "github.com/taskgen/taskgen/config/` + pkg + `"` }

// unregistered is the error of a scheme that no imported package has registered. The scheme
// is quoted only where it is clear that it is one, and not the beginning of something
// secret: before two slashes.
func unregistered(scheme string, clear bool) error {
	if pkg := known[scheme]; pkg != "" {
		return fmt.Errorf("the provider of %s: is not linked into this program: add %s", scheme, importOf(pkg))
	}
	schemes := registry.schemes()
	all := append([]string(nil), schemes...)
	for k := range known {
		all = append(all, k)
	}
	name := "the URL begins with no scheme"
	if clear {
		name = fmt.Sprintf("there is no provider for URLs that begin with %s://", scheme)
	}
	near, ok := nearest.Name(scheme, all)
	switch pkg := known[near]; {
	case ok && registry.of(near) == nil:
		return fmt.Errorf("%s: did you mean %s? Then add %s", name, near, importOf(pkg))
	case ok:
		return fmt.Errorf("%s: did you mean %s?", name, near)
	case len(schemes) == 0:
		return fmt.Errorf("%s, and no provider is linked into this program: add %s or the like", name, importOf("redis"))
	}
	return fmt.Errorf("%s: linked into this program are %s", name, strings.Join(schemes, ", "))
}
