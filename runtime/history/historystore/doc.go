// Package historystore is the contract between package history, which records what became
// of tasks, and the stores that keep it. Providers implement it; programs use package
// history, which has these types under the same names.
package historystore
