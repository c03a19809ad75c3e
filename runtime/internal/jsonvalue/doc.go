// Package jsonvalue reads the values of payloads from JSON that others write, and finds what
// encoding/json changes in silence. A Spec and a description of its type share it, so that
// both accept the same payloads.
package jsonvalue
