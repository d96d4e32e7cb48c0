//go:build race

package confine

// raceEnviron is what the race detector of a child is told: not to wait for
// reports for a second before it exits.
var raceEnviron = [...]string{"GORACE=atexit_sleep_ms=0"}
