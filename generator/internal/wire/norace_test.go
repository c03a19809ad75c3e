//go:build !race

package wire

// allPairs is how many pairs of types are tried.
const allPairs = 100_000
