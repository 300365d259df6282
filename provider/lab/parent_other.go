//go:build !linux

package lab

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
