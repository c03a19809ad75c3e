package config_test

import (
	"fmt"
	"strings"

	"github.com/taskgen/taskgen/config"
)

// What can be set is printed for the operators of a program.
func ExampleReference() {
	for line := range strings.Lines(config.Reference()) {
		if strings.HasPrefix(line, "###") && strings.Contains(line, "memory") {
			fmt.Print(line)
		}
	}
	// Output:
	// ### memory
}

func ExampleParseBytes() {
	n, err := config.ParseBytes("512MiB")
	fmt.Println(int64(n), err)
	// Output:
	// 536870912 <nil>
}
