//go:build !unix

package main

// onResize does nothing where no signal tells: the row is right again with the next key.
func onResize(func()) (stop func()) { return func() {} }
