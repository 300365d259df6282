package sqlite

import (
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"parley/hub"
)

// TestFailedFsync lets the kernel itself refuse to write to the disk: a filter on the writer's thread answers fsync and fdatasync with
// EIO. That thread ends with the writer.
//
// A store whose fsync fails accepts nothing (fault injection).
func TestFailedFsync(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "parley.db"), Options{})
	for n := range 10 {
		check1(t, put(t, s.Store, 100+n))
	}
	check1(t, put(t, s.Store, 1))
	var refused syscall.Errno
	errs := group1(t, s.Store,
		func(c *conn) error { return newHubTx(c).SaveHead(room(t, 2), 0, hub.Head{Version: 1}) },
		func(c *conn) error {
			runtime.LockOSThread() // never unlocked: the thread goes with the goroutine
			refused = failFsync()
			return newHubTx(c).SaveHead(room(t, 3), 0, hub.Head{Version: 1})
		})
	if refused != 0 {
		t.Skipf("this kernel lets no process filter its own calls: %v", refused)
	}
	for i, err := range errs {
		if err == nil {
			t.Errorf("request %d was accepted", i)
		}
	}
	stopped(t, s, nil)
	s = start(t, s.path, Options{})
	for n := range 10 {
		if !has(t, s.Store, 100+n) {
			t.Errorf("room %d was acknowledged and is gone", n)
		}
	}
	if !has(t, s.Store, 1) {
		t.Error("room 1 was acknowledged and is gone")
	}
	if two, three := has(t, s.Store, 2), has(t, s.Store, 3); two != three {
		t.Errorf("half of a group is there: %v, %v", two, three)
	}
	check1(t, s.close(t))
}

// failFsync makes fsync and fdatasync of this thread fail with EIO.
func failFsync() syscall.Errno {
	const (
		setNoNewPrivileges, setSeccomp, filterMode = 38, 22, 2 // prctl
		load, equal, ret                           = 0x20, 0x15, 0x06
		allow, errno                               = 0x7fff0000, 0x00050000
	)
	program := []syscall.SockFilter{
		{Code: load, K: 0}, // the number of the call
		{Code: equal, K: syscall.SYS_FSYNC, Jt: 1},
		{Code: equal, K: syscall.SYS_FDATASYNC, Jf: 1},
		{Code: ret, K: errno | uint32(syscall.EIO)},
		{Code: ret, K: allow},
	}
	filter := syscall.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, err := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivileges, 1, 0, 0, 0, 0); err != 0 {
		return err
	}
	_, _, err := syscall.RawSyscall6(syscall.SYS_PRCTL, setSeccomp, filterMode, uintptr(unsafe.Pointer(&filter)), 0, 0, 0)
	runtime.KeepAlive(program)
	return err
}
