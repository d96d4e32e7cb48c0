//go:build race

package e2e

// buildFlags make the host under test watch for races when the tests do.
var buildFlags = []string{"-race"}

// raceSlow is how many times the processor time it takes more then.
const raceSlow = 10
