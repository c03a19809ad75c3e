package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/bench/contest"
)

// ticks are what Linux counts CPU time in for programs, in a second, whatever its
// clock.
const ticks = 100

// brokerCPU is the CPU time so far of the Erlang machine that this process has started,
// as Linux reports it. On other systems it is unknown.
func brokerCPU(context.Context) (map[string]float64, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no such process") {
			continue // it has ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		// pid (name) state parent …: the name may hold anything.
		end := strings.LastIndexByte(string(text), ')')
		fields := strings.Fields(string(text[end+1:]))
		if !strings.HasSuffix(string(text[:end]), "(beam.smp") || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		user, err1 := strconv.ParseFloat(fields[11], 64)
		system, err2 := strconv.ParseFloat(fields[12], 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return map[string]float64{contest.CPUMicros: (user + system) / ticks * 1e6}, nil
	}
	return nil, nil
}
