//go:build faults

package inbox

// Planted names the mistake that is switched on.
var Planted string

func planted(name string) bool { return Planted == name }
