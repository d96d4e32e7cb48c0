package proxy

import (
	"sync"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/testnet"
)

// Whoever was begun has ended when end returns, and nobody begins after it.
func TestCrewEndsWhileOthersBegin(t *testing.T) {
	for range 20 {
		var c crew
		var running, begun atomic.Int32
		var over atomic.Bool
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for c.begin(func() {
					if over.Load() {
						t.Error("runs after the end")
					}
					running.Add(1)
					running.Add(-1)
				}) {
					begun.Add(1)
				}
			})
		}
		testnet.Eventually(t, "twenty have begun", func() bool { return begun.Load() >= 20 })
		c.end()
		over.Store(true)
		if n := running.Load(); n != 0 {
			t.Errorf("%d run", n)
		}
		wg.Wait()
	}
}
