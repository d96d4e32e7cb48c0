package tenant

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/longtest"
	"idlehost/sdk/abi"
)

// TestHammerTenant changes plans, warms, cools and asks at once. No guest is
// asked after its Close, each is closed exactly once by the end, and what was
// asked is what was counted.
func TestHammerTenant(t *testing.T) {
	l := newLoader()
	tn := New(Config{Loader: l, States: newStates(), Loads: NewLoadQueue(2), Worth: time.Second, Remedies: previousFor(policy.FaultTrap)})
	stop := make(chan struct{})
	seed, goroutines := longtest.Seed(t), uint64(0)
	source := func() *rand.Rand { goroutines++; return rand.New(rand.NewPCG(seed, goroutines)) }
	var askers, changers sync.WaitGroup
	until := func(g *sync.WaitGroup, f func(r *rand.Rand)) {
		r := source()
		g.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f(r)
				}
			}
		})
	}
	for range 3 {
		until(&askers, func(r *rand.Rand) {
			ask := at(abi.Kind(r.IntN(3)), r.Uint64N(9))
			v := tn.Decide(ask)
			if v.Source == policy.SourcePolicy && v.Fault != policy.FaultNone {
				t.Errorf("%+v", v)
			}
			tn.Side(ask.Event.Client)
		})
	}
	until(&askers, func(*rand.Rand) {
		tn.Warm(t.Context())
		tn.WantsClose()
		tn.Digest()
	})
	until(&askers, func(r *rand.Rand) {
		role := policy.Role(r.IntN(policy.Roles))
		tn.Closed(role)
		tn.Returned(r.Uint64N(9), 0, true)
		for _, s := range tn.Stats().Sides {
			if s.Faulted() > s.Asks {
				t.Errorf("more faults than questions: %+v", s)
			}
		}
		tn.Judge()
	})
	until(&askers, func(*rand.Rand) { tn.Cool(0) })
	lane := func(r *rand.Rand) *RoleVersion {
		switch n := r.IntN(6); n {
		case 0:
			return nil
		case 1:
			return &RoleVersion{Version: Version{Digest: "x"}, Lost: policy.FaultInit}
		default:
			return of(fmt.Sprint(n))
		}
	}
	for range 2 {
		r := source()
		changers.Go(func() {
			for i := range 400 {
				tn.Set(Plan{Active: lane(r), Canary: lane(r), Shadow: lane(r), Percent: float64(r.IntN(101))})
				if i%100 == 0 {
					tn.SetRemedies(policy.DefaultRemedies())
					tn.SetRemedies(*previousFor(policy.FaultTrap, policy.FaultInit))
				}
				if i%4 == 0 {
					tn.Warm(t.Context()) // or hardly a load would be in time
				}
			}
		})
	}
	changers.Wait()
	close(stop)
	askers.Wait()
	if err := tn.Close(); err != nil {
		t.Fatal(err)
	}
	if l.running.Load() != 0 {
		t.Error("Close has not waited for loads")
	}
	for _, g := range l.all {
		isClosed(t, "guest "+g.digest, g, 1)
	}
	if len(l.all) < 10 {
		t.Errorf("only %d guests have lived", len(l.all))
	}
}

// TestHammerKeepsCount: every question is counted once, however its guest comes
// and goes.
func TestHammerKeepsCount(t *testing.T) {
	tn := New(Config{Loader: newLoader()})
	defer tn.Close()
	tn.Set(Plan{Active: of("a")})
	const askers, each = 4, 3000
	var asking sync.WaitGroup
	for range askers {
		asking.Go(func() {
			for range each {
				tn.Decide(at(abi.KindAccept, 1))
			}
		})
	}
	stop := make(chan struct{})
	var cooling sync.WaitGroup
	cooling.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				tn.Cool(0)
				tn.Set(Plan{Active: of("a"), Canary: of("c"), Percent: 0})
				tn.Warm(t.Context())
			}
		}
	})
	asking.Wait()
	close(stop)
	cooling.Wait()
	if s := sideOf(t, tn, policy.RoleActive); s.Asks != askers*each {
		t.Errorf("%d questions, want %d", s.Asks, askers*each)
	}
}
