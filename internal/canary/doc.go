// Package canary sends a secret through every path that there is, and looks for it
// in all that people, logs, stores and other programs get to see. It has tests only.
package canary
