// Package tracingtest holds the tests of package tracing that need a broker, or the
// packages that encrypt and compress. Beside the code they would make every program that
// traces download the clients of brokers: go mod tidy reads the tests of what a program
// imports.
package tracingtest
