//go:build unix

package main

import "syscall"

// privateFiles keeps what the process makes (store, socket, trace) from other users of the machine.
func privateFiles() { syscall.Umask(0o077) }
