//go:build !unix

package main

// privateFiles relies on the data directory's own permissions where there is no umask.
func privateFiles() {}
