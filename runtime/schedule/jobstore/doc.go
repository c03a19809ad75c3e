// Package jobstore is what a scheduler asks of the store that keeps its jobs: [Store],
// and the [Entry] that it keeps. Providers implement it. Programs name jobs by package
// schedule, which has these types under the same names.
package jobstore
