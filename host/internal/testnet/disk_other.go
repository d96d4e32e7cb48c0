//go:build !linux

package testnet

import "testing"

// SmallDisk returns the root of a file system of so many bytes.
func SmallDisk(t testing.TB, _ int) string {
	t.Helper()
	t.Skip("a full disk is made on Linux only")
	return ""
}
