//go:build !linux && !darwin

package device

import (
	"io"
	"os"
)

// overFile runs f with the file's octets in memory, which f may change; they are written back.
func overFile(file *os.File, size int64, f func(octets []byte) error) error {
	octets := make([]byte, size)
	if _, err := file.ReadAt(octets, 0); err != nil && err != io.EOF {
		return err
	}
	if err := f(octets); err != nil {
		return err
	}
	_, err := file.WriteAt(octets, 0)
	return err
}
