package main

import "testing"

// Each case as a Go benchmark, for profiles: go test -bench . -cpuprofile cpu.out
func BenchmarkCases(b *testing.B) {
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			if _, err := c.run(config{tasks: b.N, batch: 200, workers: 2}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
