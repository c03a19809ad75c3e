package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/generator"
)

// explain prints the reference, or the part of it that is about a topic, or
// the times of a schedule.
func explain(args []string, stdout, stderr io.Writer) int {
	if slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if asksForTimes(args) {
		return timetable(args[1], strings.Join(args[2:], ""), time.Now(), stdout, stderr)
	}
	text, err := generator.Explain(strings.Join(args, " "))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitError
	}
	fmt.Fprint(stdout, text)
	return exitOK
}
