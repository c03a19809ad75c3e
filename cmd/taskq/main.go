// Taskq is the command line of operators: it looks at queues, tasks, dead letters, schedules and
// workers, and changes them. It is a client of the API of package server; with the URL of a
// provider it serves that API to itself, in its own process and without a port.
//
//	taskq -s https://tasks.example.com top
//	taskq -s https://tasks.example.com dlq redrive emails --filter error~timeout
//	taskq --provider redis://localhost --queue emails queue ls
//
// docs/cli.md has all commands.
package main

import (
	"os"

	"github.com/taskgen/taskgen/cmd/taskq/internal/command"
)

func main() { os.Exit(command.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
