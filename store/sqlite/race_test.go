//go:build race

package sqlite

// The race detector slows SQLite, which is Go code here, down by a factor of ten. It looks at few paths of ours, so short runs do.
const race = true
