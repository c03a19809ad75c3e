//go:build unix

package report

import (
	"os"
	"runtime"
	"syscall"
)

// PeakMemory is the most memory that a process which has ended had resident, in
// bytes; 0: the system does not tell.
func PeakMemory(p *os.ProcessState) int64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	peak := int64(u.Maxrss)
	if runtime.GOOS != "darwin" && runtime.GOOS != "ios" {
		peak <<= 10 // it is in KB there
	}
	return peak
}
