//go:build race

package wire

// allPairs is how many pairs of types are tried. What is tried has no concurrency, and the
// detector makes it many times as slow.
const allPairs = 4_000
