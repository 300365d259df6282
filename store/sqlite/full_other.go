//go:build !linux

package sqlite

// freeSpace is not known here; the small write has to do.
func freeSpace(string) (octets uint64, known bool) { return 0, false }
