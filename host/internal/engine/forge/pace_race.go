//go:build race

package forge

// pace widens the standard time limits: under the race detector compiling
// takes some ten times as long.
const pace = 12

// environment is what a child needs beyond Config.environ: it shall not wait
// for a second before it exits, for reports of races.
var environment = [...]string{"GORACE=atexit_sleep_ms=0"}
