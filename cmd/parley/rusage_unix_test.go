//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peakOf is the peak memory of a process that has ended, in KiB.
func peakOf(s *os.ProcessState) int64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) / 1024
	}
	return int64(usage.Maxrss)
}
