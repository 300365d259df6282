//go:build faults

package hub

// Planted names the mistake that is switched on.
var Planted string

func planted(name string) bool { return Planted == name }
