package cache

// Program is the sum of the program that runs, for tests to change.
var Program = &program
