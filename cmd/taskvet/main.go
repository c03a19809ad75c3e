// Taskvet finds mistakes in programs that use taskgen. It runs alone, and as the tool of go vet:
//
//	taskvet ./...
//	go vet -vettool=$(which taskvet) ./...
//
// It exits with 0 if there is nothing to report. Alone it exits with 3 for findings and with 1 if
// it cannot read the packages; go vet exits with 1 for both.
//
// A flag of the name of a check runs that check alone, or leaves it out if it is false:
// -tasksecret, -tasksecret=false. -fix applies the fixes that are suggested; -json prints
// findings as JSON, and then their number is not in the exit status. taskvet help lists the
// checks, which docs/analyzer.md describes.
package main

import (
	"golang.org/x/tools/go/analysis/multichecker"

	"github.com/taskgen/taskgen/analyzer"
)

func main() { multichecker.Main(analyzer.Analyzers()...) }
