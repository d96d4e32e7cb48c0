package neighbour

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// serve returns the address of a server whose idle connections end.
func serve(t *testing.T, idle time.Duration, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.IdleTimeout = idle
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestWatching(t *testing.T) {
	const idle = 100 * time.Millisecond
	w := Watch{Addr: serve(t, idle, func(http.ResponseWriter, *http.Request) {}), Idle: idle,
		Conns: 2, Every: 20 * time.Millisecond, Rare: 1, RareEvery: 40 * time.Millisecond, Waiters: 3}
	begun := time.Now()
	on := w.Start()
	first := on.Between(begun, begun.Add(3*idle))
	if first.Failed != 0 || first.Answered < 5 || first.Closed == 0 || len(first.Took) != first.Answered || len(first.Late) != first.Closed {
		t.Errorf("seen %+v", first)
	}
	for _, late := range first.Late {
		if late < -idle/2 { // a client may see the answer later than the host has sent it
			t.Errorf("closed %s too soon", -late)
		}
	}
	again := on.Between(begun, begun.Add(3*idle))
	if len(again.Took) != len(first.Took) || len(again.Late) != len(first.Late) {
		t.Errorf("seen %d and %d, and then %d and %d", len(first.Took), len(first.Late), len(again.Took), len(again.Late))
	}
	on.Forget(begun.Add(3 * idle))
	if s := on.Between(begun, begun.Add(3*idle)); s.Answered != 0 || s.Closed != 0 {
		t.Errorf("not forgotten: %+v", s)
	}
	on.Stop()
}

// TestWatchCountsWhatDoesNotCome, with the time that it has waited.
func TestWatchCountsWhatDoesNotCome(t *testing.T) {
	const d = 200 * time.Millisecond
	w := Watch{Addr: serve(t, time.Minute, func(_ http.ResponseWriter, r *http.Request) {
		if r.Host == "stuck" {
			<-r.Context().Done()
		}
	}), Host: "stuck", Idle: 50 * time.Millisecond, Conns: 1, Every: time.Minute}
	if s := w.For(t.Context(), d); len(s.Took) != 1 || s.Took[0] < d/2 || s.Answered != 0 || s.Failed != 0 {
		t.Errorf("requests: %+v", s)
	}
	w.Host, w.Conns, w.Waiters = "open", 0, 1
	if s := w.For(t.Context(), d); len(s.Late) != 1 || s.Late[0] <= 0 || s.Closed != 0 || s.Failed != 0 {
		t.Errorf("closes: %+v", s)
	}
}
