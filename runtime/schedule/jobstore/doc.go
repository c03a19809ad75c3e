// Package jobstore is the contract between a scheduler and the store of its jobs:
// [Store], and the [Entry] that it keeps. Providers implement it. Programs use package
// schedule, which has these types under the same names.
package jobstore
