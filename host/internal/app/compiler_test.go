package app

import (
	"strings"
	"testing"

	"idlehost/host/internal/config"
)

// TestCompilingInProcessIsSaid where the platform has not the means, or the
// program no entry.
func TestCompilingInProcessIsSaid(t *testing.T) {
	r := start(t, func(c *config.Config) { c.Plugin.Path = "adaptive" })
	if log := r.quiesce(); !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, "are compiled in this process, larger ones not at all") {
		t.Errorf("log is %s", log)
	}
}
