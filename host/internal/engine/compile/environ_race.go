//go:build race

package compile

// environment is what a child needs beyond limits.environ: it shall not wait
// for a second before it exits, for reports of races.
var environment = [...]string{"GORACE=atexit_sleep_ms=0"}
