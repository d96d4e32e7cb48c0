package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/client"
	"idlehost/host/longtest"
)

const (
	crashes          = 12
	manyCrashes      = 250 // more than 3000 changes are acknowledged
	changesPerCrash  = 16  // that have begun, on the average
	crashWorkers     = 4
	crashWorkerToken = "operator-token-of-worker-%d"
)

func digestOf(wasm []byte) [sha256.Size]byte { return sha256.Sum256(wasm) }

// TestKilledHost kills the host at random moments while several operators
// upload, promote, roll back, and make and remove tenants and tokens. After
// each restart every change that was acknowledged is there, of the others all
// or nothing, the audit log has exactly those that are there, and the host has
// nothing to complain about.
func TestKilledHost(t *testing.T) {
	times := longtest.Count(t, crashes, manyCrashes, "crashes")
	seed := longtest.Seed(t)
	c := newCrash(t, seed)
	for i := range times + 1 {
		if !c.round(i < times) {
			t.Fatalf("after %d crashes", i)
		}
	}
	acked := 0
	for _, w := range c.workers {
		acked += w.acked
	}
	t.Logf("%d crashes, %d changes acknowledged, %d others of which %d were made", times, acked, c.unsure, c.madeAnyway)
}

// crash is a host that dies again and again.
type crash struct {
	t       *testing.T
	args    []string
	rng     *rand.Rand
	workers []*worker

	unsure, madeAnyway int
}

func newCrash(t *testing.T, seed uint64) *crash {
	c := &crash{t: t, rng: rand.New(rand.NewPCG(seed, 0))}
	var tokens strings.Builder
	for i := range crashWorkers {
		w := &worker{
			prefix: string(rune('a'+i)) + "-", token: fmt.Sprintf(crashWorkerToken, i), rng: rand.New(rand.NewPCG(seed, uint64(i)+1)),
			believed: holdings{}, count: map[entry]int{}, secrets: map[string]string{},
		}
		c.workers = append(c.workers, w)
		fmt.Fprintln(&tokens, w.token)
	}
	config := fmt.Sprintf("[admin]\ntoken_file = %q\n", writeFile(t, "tokens", tokens.String()))
	c.args = []string{"--listen", "127.0.0.1:0", "--store", t.TempDir(), "--config", writeFile(t, "host.toml", config)}
	return c
}

// each runs f for every worker, and reports whether none failed.
func (c *crash) each(h *hosttest.Host, f func(w *worker, api *client.Client) error) bool {
	c.t.Helper()
	var wg sync.WaitGroup
	ok := atomic.Bool{}
	ok.Store(true)
	for _, w := range c.workers {
		api := dial(c.t, h, w.token)
		wg.Go(func() {
			if err := f(w, api); err != nil {
				ok.Store(false)
				c.t.Errorf("worker %s: %v", w.prefix, err)
			}
		})
	}
	wg.Wait()
	return ok.Load()
}

// round starts the host, looks whether all is well, and has it die.
func (c *crash) round(dies bool) bool {
	c.t.Helper()
	h := startHost(c.t, "http://127.0.0.1:1", c.args...)
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*hosttest.Patience)
	defer cancel()
	before := c.counted()
	if !c.each(h, func(w *worker, api *client.Client) error { return w.verify(ctx, api) }) {
		return false
	}
	c.madeAnyway += c.counted() - before
	ok := c.audited(ctx, h)
	for _, level := range []string{`"level":"ERROR"`, `"level":"WARN"`} {
		for _, line := range h.Lines(level) {
			ok = false
			c.t.Errorf("the host complains: %s", line)
		}
	}
	if !dies || !ok {
		return ok
	}
	left := atomic.Int64{}
	left.Store(1 + c.rng.Int64N(2*changesPerCrash))
	after := time.Duration(c.rng.Int64N(int64(10 * time.Millisecond)))
	due := make(chan struct{})
	var killed sync.WaitGroup
	killed.Go(func() {
		select {
		case <-due:
			<-time.After(after) // into the middle of something
		case <-ctx.Done():
		}
		h.Signal(c.t, syscall.SIGKILL)
	})
	ok = c.each(h, func(w *worker, api *client.Client) error {
		return w.run(ctx, api, func() {
			if left.Add(-1) == 0 {
				close(due)
			}
		})
	})
	if !ok {
		cancel()
	}
	killed.Wait()
	h.Exit(c.t)
	for _, w := range c.workers {
		if w.pending != nil {
			c.unsure++
		}
	}
	return ok
}

// counted returns how many changes are believed to have been made.
func (c *crash) counted() (n int) {
	for _, w := range c.workers {
		for _, m := range w.count {
			n += m
		}
	}
	return n
}

// audited holds the audit log to what is believed to have been done.
func (c *crash) audited(ctx context.Context, h *hosttest.Host) bool {
	c.t.Helper()
	api := dial(c.t, h, c.workers[0].token)
	want := map[entry]int{}
	for _, w := range c.workers {
		maps.Copy(want, w.count)
	}
	before := uint64(0)
	for {
		page, err := api.Audit(ctx, "", before, 1000)
		if err != nil {
			c.t.Errorf("audit log: %v", err)
			return false
		}
		for _, e := range page.Items {
			if before > 0 && e.Seq != before-1 {
				c.t.Errorf("audit log: %d comes before %d", e.Seq, before)
			}
			before = e.Seq
			want[entry{e.Action, e.Tenant, e.Digest}]--
		}
		if page.Next == "" {
			break
		}
	}
	ok := true
	for e, n := range want {
		if n != 0 {
			ok = false
			c.t.Errorf("audit log: %v is missing %d times", e, n)
		}
	}
	return ok
}
