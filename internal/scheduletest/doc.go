// Package scheduletest holds the tests of package schedule. They run on the stores and
// brokers of several providers. Beside the code they would make every program that
// imports a provider download the clients of all others: go mod tidy reads the tests of
// what a program imports.
package scheduletest
