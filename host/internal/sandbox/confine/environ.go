//go:build !race

package confine

// raceEnviron is what the race detector of a child is told.
var raceEnviron = [...]string{}
