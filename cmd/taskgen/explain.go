package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/taskgen/taskgen/generator/directive"
)

// explain prints the reference, or the part of it that is about a topic.
func explain(args []string, stdout, stderr io.Writer) int {
	text, err := directive.Explain(strings.Join(args, " "))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitError
	}
	fmt.Fprint(stdout, text)
	return exitOK
}
