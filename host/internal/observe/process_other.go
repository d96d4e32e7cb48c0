//go:build !unix

package observe

// FileLimit returns 0: these systems have no limit to look up.
func FileLimit() uint64 { return 0 }
