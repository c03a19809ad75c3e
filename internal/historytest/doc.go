// Package historytest holds the tests of package history with processes of their own, on
// the stores and brokers of several providers. Beside the code they would make every program
// that imports it download the clients of all providers: go mod tidy reads the tests of what
// a program imports.
package historytest
