//go:build !faults

package client

// planted reports whether a mistake is switched on. Only builds with the tag faults have any: the simulator's checkers have to find
// each of them.
func planted(string) bool { return false }
