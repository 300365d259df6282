//go:build linux || darwin

package device

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// releaseEvery is how often the pages of a mapping are given back while one call works through it: at the speed of AES and SHA-256 that
// is some tens of megabytes.
const releaseEvery = 10 * time.Millisecond

// overFile runs f with the file's octets as memory, which f may change. The pages are those of the file: they take no memory that the
// kernel could not have back, and are given back all the time, so that the size of the file does not matter.
//
// The library's AEAD takes one slice and works in place; a file mapped into memory is how it takes a large one without a GHASH of our own.
func overFile(file *os.File, size int64, f func(octets []byte) error) (err error) {
	octets, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(releaseEvery)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				// What was written stays in the file's pages. That it is refused costs memory and nothing else.
				if err := syscall.Madvise(octets, syscall.MADV_DONTNEED); err != nil {
					return
				}
			}
		}
	}()
	defer func() {
		close(stop)
		<-stopped
		err = errors.Join(err, syscall.Munmap(octets))
	}()
	return f(octets)
}
