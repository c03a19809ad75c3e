// Package analyzer finds mistakes in programs that use taskgen, by golang.org/x/tools/go/analysis.
// Command taskvet runs its analyzers alone and for go vet, and package golangci for
// golangci-lint. docs/analyzer.md has an example for each check.
//
// The analyzers know a generated function by its types: EnqueueMail is one if its package
// declares a MailSpec, a runtime.Spec, and the function takes a context, a
// runtime.Enqueuer and the type of that spec. Functions of the same names elsewhere are not
// looked at. No check reports anything in generated files. In _test.go files only
// taskunusedresult does, because tests hold made-up secrets and handlers that do nothing.
package analyzer

import "golang.org/x/tools/go/analysis"

// Analyzers returns all analyzers, one for each check, in the order of their names.
func Analyzers() []*analysis.Analyzer {
	return []*analysis.Analyzer{contextCheck, loopCheck, retryableCheck, secretCheck, unhandledCheck, unusedCheck}
}

// page is the documentation of a check.
func page(check string) string {
	return "https://github.com/taskgen/taskgen/blob/main/docs/analyzer.md#" + check
}
