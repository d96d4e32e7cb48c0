package h2

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// each runs f in the clear and over TLS.
func each(t *testing.T, f func(t *testing.T, secured bool)) {
	t.Run("h2c", func(t *testing.T) { f(t, false) })
	t.Run("tls", func(t *testing.T) { f(t, true) })
}

// TestRequestsAcrossParks sends bodies of all sizes both ways, with a park
// before each request: nothing is lost, and windows do not shrink.
func TestRequestsAcrossParks(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		h := newHost(t, hostConfig{tls: secured})
		c := h.client(t)
		sizes := []int{0, 1, 100, 16384, 65535, 65536, 200_000, 1 << 20, 3 << 20}
		for i := range 40 {
			h.ask(t, c, sizes[i%len(sizes)], sizes[(i*5+3)%len(sizes)])
			h.parked(t, 1)
		}
		if n := h.gov.Open(); n != 1 {
			t.Errorf("%d connections, want all requests on one", n)
		}
	})
}

// TestRequestsAtAnyTime has clients pause for about as long as it takes to
// park, so that requests meet every step of it.
func TestRequestsAtAnyTime(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		h := newHost(t, hostConfig{tls: secured})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				c := h.client(t)
				r := rand.New(rand.NewPCG(1, 2))
				for range 60 {
					h.ask(t, c, r.IntN(3)*r.IntN(100_000), r.IntN(3)*r.IntN(100_000))
					pause(time.Duration(r.IntN(4000)) * time.Microsecond)
				}
			})
		}
		wg.Wait()
		if n := h.gov.Open(); n != 8 {
			t.Errorf("%d connections for 8 clients", n)
		}
	})
}

// pause waits for the world outside.
func pause(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}
