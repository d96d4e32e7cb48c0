package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/tenant/spec"
)

// slowCheck is a policy that is refused, after a check that takes all the fuel
// it can: it fails at every question, and uses up what it may to start anew.
var slowCheck = func() []byte {
	start := wasmtest.Func{Export: "_initialize", Locals: 1, Body: wasmtest.Countdown(0, 1_500_000)}
	fails := func(export string) wasmtest.Func { return wasmtest.Hook(export, wasmtest.Unreachable()) }
	return wasmtest.Guest(start, fails("on_accept"), fails("on_timeout")).Bytes()
}()

// quickCheck is a policy that is accepted.
var quickCheck = wasmtest.Guest().Bytes()

// numbered is a policy that the host has not seen, whose code it has: so an
// upload takes what its check does, and no child of the host's.
func numbered(wasm []byte, n int) []byte {
	content := append([]byte{1, 'n'}, strconv.Itoa(n)...)
	return slices.Concat(wasm, []byte{0, byte(len(content))}, content)
}

// startTenants runs a host with tenants, and returns a client of its API.
func startTenants(t *testing.T, tenants ...string) *client.Client {
	t.Helper()
	h := startHost(t, naming(t, "house"), "--store", t.TempDir())
	c, err := client.New(client.Config{Server: h.Admin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, name := range tenants {
		if _, _, err := c.PutTenant(t.Context(), name, spec.Spec{Hosts: []string{name + ".example"}}, api.Precondition{Absent: true}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// timed uploads a policy and returns how long that took.
func timed(ctx context.Context, c *client.Client, tenant string, wasm []byte) (time.Duration, error) {
	begun := time.Now()
	_, _, err := c.Upload(ctx, tenant, api.Upload{Wasm: wasm}, nil)
	return time.Since(begun), err
}

// spent is the processor time that a tenant was charged.
func spent(t *testing.T, c *client.Client, tenant string) time.Duration {
	t.Helper()
	l, err := c.Limits(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(l.LoadSpentMs) * time.Millisecond
}

// TestChecksAreServedInTurns: eight tenants upload what takes long to check, one
// policy after the other. Another's small ones are admitted in half the time that one
// of theirs takes, or less, and each pays for its own.
func TestChecksAreServedInTurns(t *testing.T) {
	var attackers []string
	for n := range 8 {
		attackers = append(attackers, fmt.Sprint("attacker", n))
	}
	c := startTenants(t, append(attackers, "quiet", "first")...)
	for n, wasm := range [][]byte{slowCheck, quickCheck} {
		if _, err := timed(t.Context(), c, "first", wasm); n == 1 && err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var theirs []time.Duration
	under := make(chan struct{}) // closed when every attacker has been answered once
	var answered, attacking sync.WaitGroup
	answered.Add(len(attackers))
	go func() { answered.Wait(); close(under) }()
	for k, name := range attackers {
		attacking.Go(func() {
			var once sync.Once
			defer once.Do(answered.Done)
			for n := 0; ctx.Err() == nil; n++ {
				took, err := timed(ctx, c, name, numbered(slowCheck, 1000*k+n))
				switch client.Kind(err) {
				case api.KindRefused:
					mu.Lock()
					theirs = append(theirs, took)
					mu.Unlock()
				case api.KindRate: // it has used up what it had
					return
				default:
					if ctx.Err() == nil {
						t.Errorf("%s: %v", name, err)
						return
					}
				}
				once.Do(answered.Done)
			}
		})
	}
	<-under
	var mine []time.Duration
	for n := range 5 {
		took, err := timed(t.Context(), c, "quiet", numbered(quickCheck, n))
		if err != nil {
			t.Errorf("the quiet tenant: %v", err)
		}
		mine = append(mine, took)
	}
	stop()
	attacking.Wait()
	slices.Sort(mine)
	slices.Sort(theirs)
	t.Logf("uploads took %v, those of the attackers %v to %v", mine, theirs[0], theirs[len(theirs)-1])
	if m, a := mine[len(mine)/2], theirs[len(theirs)/2]; m >= a/2 {
		t.Errorf("an upload of the quiet tenant took %v, one of the others %v", m, a)
	}
	quiet := spent(t, c, "quiet")
	for _, name := range attackers {
		if s := spent(t, c, name); s <= quiet {
			t.Errorf("%s was charged %v, the quiet tenant %v", name, s, quiet)
		}
	}
}

// TestCheckEndsWithItsRequest: a client that hangs up is charged for what was
// done until then, and the tenant's next upload need not wait for the rest.
func TestCheckEndsWithItsRequest(t *testing.T) {
	c := startTenants(t, "a")
	whole, err := timed(t.Context(), c, "a", numbered(slowCheck, 0))
	if client.Kind(err) != api.KindRefused {
		t.Fatal(err)
	}
	full := spent(t, c, "a")
	for n := 1; ; n++ { // until one is cut short, on a machine that is faster or slower by then
		before := spent(t, c, "a")
		ctx, cancel := context.WithTimeout(t.Context(), whole/time.Duration(n+1))
		_, err := timed(ctx, c, "a", numbered(slowCheck, n))
		cancel()
		if client.Kind(err) == api.KindRefused {
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("cut short: %v", err)
		}
		if _, err := timed(t.Context(), c, "a", numbered(quickCheck, n)); err != nil {
			t.Fatalf("the next upload: %v", err)
		}
		if took := spent(t, c, "a") - before; took >= full {
			t.Errorf("an upload that was cut short, and a small one, cost %v; a whole one %v", took, full)
		}
		return
	}
}
