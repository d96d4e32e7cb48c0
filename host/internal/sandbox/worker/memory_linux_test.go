package worker

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"idlehost/host/internal/sandbox/confine"
)

// TestEndingsForWantOfMemory are told from kills and from crashes.
func TestEndingsForWantOfMemory(t *testing.T) {
	killed, crashed := confine.Exit{Code: -1, Signal: syscall.SIGKILL}, confine.Exit{Code: 2}
	for _, tc := range []struct {
		exit    confine.Exit
		starved bool
		said    string
		want    Ending
	}{
		{killed, false, "", EndKilled},
		{killed, true, "", EndMemory},
		{crashed, false, "fatal error: runtime: out of memory", EndMemory},
		{crashed, true, "fatal error: unexpected signal", EndCrash},
	} {
		if got := endingOf(tc.exit, tc.starved, tc.said); got != tc.want {
			t.Errorf("%+v: %v, want %v", tc, got, tc.want)
		}
	}
}

// TestWorkersGoBeforeTheHost where memory runs out.
func TestWorkersGoBeforeTheHost(t *testing.T) {
	pool, _ := startPool(t, Config{Shared: 1})
	p, err := pool.cfg.Start(t.Context(), pool.say)
	if err != nil {
		t.Fatal(err)
	}
	defer discard(p)
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.(*running).child.Pid()) + "/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(text)); got != "1000" {
		t.Errorf("oom_score_adj is %s", got)
	}
}
