// Package fleetstore is the contract between workers, their operators and the store
// where they meet: [Store], and the [Worker], [Type] and [Order] that it keeps. Providers
// implement it. Programs use package fleet, which has these types under the same names.
package fleetstore
