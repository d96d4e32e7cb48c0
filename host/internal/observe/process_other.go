//go:build !unix

package observe

// fileLimit returns 0: these systems have no limit to look up.
func fileLimit() uint64 { return 0 }
