// Package envelopetest holds the tests of the envelope against its JSON Schema. They
// need a validator, which programs that import package runtime should not have to
// download: go mod tidy reads the tests of what a program imports.
package envelopetest
