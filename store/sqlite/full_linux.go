package sqlite

import "syscall"

// freeSpace is what an ordinary process may still write to the file system of a directory.
func freeSpace(dir string) (octets uint64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}
