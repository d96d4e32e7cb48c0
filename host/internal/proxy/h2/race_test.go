//go:build race

package h2

// raceEnabled says that memory is not what it is.
const raceEnabled = true
