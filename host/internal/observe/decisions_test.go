package observe

import (
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func timeoutAsk() *policy.Ask {
	return &policy.Ask{Event: policy.Event{
		Kind: uint8(abi.KindTimeout), Phase: uint8(abi.PhaseIdle), Side: uint8(abi.SideDialled), Protocol: uint8(abi.ProtocolHTTP2),
		NowMs: 1_700_000_000_123, Conn: 7, Client: 8, IdleMs: 900,
	}}
}

func TestDecisionsReachWhoListens(t *testing.T) {
	d := NewDecisions(nil)
	d.Asked(account("shop"), timeoutAsk(), policy.Verdict{}, 1) // nobody listens
	shop, stop := d.Subscribe("shop", 4)
	also, stopToo := d.Subscribe("shop", 4)
	other, stopOther := d.Subscribe("other", 4)
	v := policy.Verdict{
		Action: abi.ActionExtend, Deadline: 1500 * time.Millisecond, Reason: 3,
		Source: policy.SourceFallback, Fault: policy.FaultTrap, Role: policy.RoleCanary,
	}
	d.Asked(account("shop"), timeoutAsk(), v, 80*time.Nanosecond)
	d.Shadowed(account("shop"), timeoutAsk(), policy.Verdict{Action: abi.ActionClose, Source: policy.SourcePolicy})
	want := Decision{
		At: time.UnixMilli(1_700_000_000_123), Conn: 7, Client: 8, Event: abi.KindTimeout, Phase: abi.PhaseIdle,
		Side: abi.SideDialled, Protocol: abi.ProtocolHTTP2, IdleMs: 900, Action: abi.ActionExtend, DeadlineMs: 1500,
		Reason: 3, Source: policy.SourceFallback, Fault: policy.FaultTrap, Role: policy.RoleCanary, TookNs: 80,
	}
	for _, ch := range []<-chan Decision{shop, also} {
		if got := <-ch; got != want {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		if got := <-ch; got.Role != policy.RoleShadow || got.Action != abi.ActionClose || got.TookNs != 0 {
			t.Errorf("shadow: %+v", got)
		}
	}
	stopToo()
	stopToo()
	stopOther()
	d.Asked(account("shop"), timeoutAsk(), v, 1)
	if len(shop) != 1 {
		t.Error("who still listens hears nothing")
	}
	for _, ch := range []<-chan Decision{also, other} {
		if got, open := <-ch; open {
			t.Errorf("told after it stopped, or of another tenant: %+v", got)
		}
	}
	stop()
	if d.open.Load() != 0 || d.feed("shop") != nil {
		t.Error("nobody listens, and yet it costs")
	}
}

func TestSlowListenersAreToldOfWhatTheyMissed(t *testing.T) {
	d, a := NewDecisions(nil), account("shop")
	ch, stop := d.Subscribe("shop", 2)
	defer stop()
	say := func(n int) {
		for range n {
			d.Asked(a, timeoutAsk(), policy.Verdict{}, 0)
		}
	}
	say(7)
	if one, two := <-ch, <-ch; one.Dropped != 0 || two.Dropped != 0 {
		t.Errorf("dropped %d, %d before anything was", one.Dropped, two.Dropped)
	}
	say(2)
	if one, two := <-ch, <-ch; one.Dropped != 5 || two.Dropped != 0 {
		t.Errorf("dropped %d, %d, want 5, 0", one.Dropped, two.Dropped)
	}
}

// TestDecisionsHaveARate: what a tenant makes faster is dropped for each of its
// listeners, counted by tenant and told, and costs another tenant nothing.
func TestDecisionsHaveARate(t *testing.T) {
	m := NewMetrics("v1")
	d, a, ask := NewDecisions(m), account("shop"), timeoutAsk()
	one, stopOne := d.Subscribe("shop", 4*decisionsAtOnce)
	two, stopTwo := d.Subscribe("shop", 4*decisionsAtOnce)
	other, stopOther := d.Subscribe("other", 1)
	for range decisionsAtOnce + 7 {
		d.Asked(a, ask, policy.Verdict{}, 0)
	}
	if len(one) != decisionsAtOnce || len(two) != decisionsAtOnce {
		t.Fatalf("passed on %d and %d, want %d", len(one), len(two), decisionsAtOnce)
	}
	d.Asked(account("other"), ask, policy.Verdict{}, 0)
	if got := <-other; got.Dropped != 0 {
		t.Errorf("another tenant's stream has lost %d", got.Dropped)
	}
	ask.Event.NowMs++ // earns one
	d.Asked(a, ask, policy.Verdict{}, 0)
	d.Asked(a, ask, policy.Verdict{}, 0)
	for _, ch := range []<-chan Decision{one, two} {
		for range decisionsAtOnce {
			if got := <-ch; got.Dropped != 0 {
				t.Fatalf("dropped %d before anything was", got.Dropped)
			}
		}
		if got := <-ch; got.Dropped != 7 || len(ch) != 0 {
			t.Errorf("dropped %d and %d more to come, want 7 and 0", got.Dropped, len(ch))
		}
	}
	wants(t, scrape(t, m), `host_policy_undelivered_decisions_total{tenant="shop"} 16`)
	stopOne()
	stopTwo()
	stopOther()
}

func TestSilenceCostsNothing(t *testing.T) {
	d, a, ask := NewDecisions(nil), account("shop"), timeoutAsk()
	if n := testing.AllocsPerRun(100, func() { d.Asked(a, ask, policy.Verdict{}, 1) }); n != 0 {
		t.Errorf("%v allocations while nobody listens", n)
	}
	_, stop := d.Subscribe("shop", 1)
	defer stop()
	if n := testing.AllocsPerRun(100, func() { d.Asked(a, ask, policy.Verdict{}, 1) }); n != 0 {
		t.Errorf("%v allocations while somebody listens", n)
	}
}

func TestHammerDecisions(t *testing.T) {
	d := NewDecisions(nil)
	var asking, listening sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			a, ask := account("shop"), timeoutAsk()
			for {
				select {
				case <-done:
					return
				default:
					ask.Event.NowMs++ // enough for the rate
					d.Asked(a, ask, policy.Verdict{}, 0)
					d.Shadowed(account("shop"), ask, policy.Verdict{})
				}
			}
		})
	}
	for range 4 {
		listening.Go(func() {
			for i := range 100 {
				ch, stop := d.Subscribe([]string{"shop", "other"}[i%2], 3)
				if i%2 == 0 {
					for range 5 {
						<-ch
					}
				}
				stop()
				for range ch { // it is closed
				}
			}
		})
	}
	listening.Wait()
	close(done)
	asking.Wait()
	if d.open.Load() != 0 || d.feed("shop") != nil {
		t.Error("a listener is left")
	}
}

func BenchmarkDecisions(b *testing.B) {
	d, a, ask := NewDecisions(nil), account("shop"), timeoutAsk()
	b.Run("silence", func(b *testing.B) {
		for b.Loop() {
			d.Asked(a, ask, policy.Verdict{}, 1)
		}
	})
	_, stop := d.Subscribe("other", 1)
	defer stop()
	b.Run("another's", func(b *testing.B) {
		for b.Loop() {
			d.Asked(a, ask, policy.Verdict{}, 1)
		}
	})
	for range 16 {
		_, stop := d.Subscribe("shop", 1)
		defer stop()
	}
	b.Run("16-that-are-full", func(b *testing.B) {
		for b.Loop() {
			ask.Event.NowMs++
			d.Asked(a, ask, policy.Verdict{}, 1)
		}
	})
	b.Run("16-too-fast", func(b *testing.B) {
		for b.Loop() {
			d.Asked(a, ask, policy.Verdict{}, 1)
		}
	})
}
