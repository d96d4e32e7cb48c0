//go:build !linux

package e2e

import "testing"

// smallDisk returns the root of a file system of so many bytes.
func smallDisk(t *testing.T, _ int) string {
	t.Helper()
	t.Skip("a full disk is made on Linux only")
	return ""
}
