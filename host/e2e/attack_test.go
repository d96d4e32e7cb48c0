package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/e2e/neighbour"
	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/hostile"
	"idlehost/host/internal/tenant/spec"
	"idlehost/host/longtest"
	"idlehost/sdk/abi"
)

// worst are the attacks that every run of the tests makes: at least one for
// each way in which a policy has hurt a neighbour.
var worst = []string{
	"fitted-arms-of-1000-locals", "fitted-reloads", "fitted-chain", // time beyond what fuel says
	"loop-in-every-hook", "grow-to-the-cap-and-trap", // instances that are lost at once
	"log-burst",
}

// TestNeighbourOfAnAttacker: a tenant uploads an attack by the API, promotes it
// and has it asked about 48 connections all the time. The neighbour's requests
// are answered and its idle connections closed as they are beside a policy that
// is sound, the host stays and says what it has stopped, and the attacker's
// clients are served.
func TestNeighbourOfAnAttacker(t *testing.T) {
	r := newAttackedHost(t)
	attacks := hostile.Corpus()
	attacks = append(attacks, fitted(t)...)
	rand.New(rand.NewPCG(longtest.Seed(t), 0)).Shuffle(len(attacks), func(i, j int) { attacks[i], attacks[j] = attacks[j], attacks[i] })
	slices.SortStableFunc(attacks, func(a, b hostile.Attack) int { return rank(a) - rank(b) })
	for _, a := range attacks[:longtest.Count(t, len(worst), len(attacks), "attacks")] {
		t.Run(a.Name, func(t *testing.T) { r.try(t, a) })
	}
}

// fitted returns the attacks whose questions use what fuel they have, and no
// more. One that the host refuses is left out.
func fitted(t *testing.T) (list []hostile.Attack) {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, f := range hostile.FittedAttacks() {
		a, err := f.Fit(e.Budgets().Call, func(wasm []byte) (int64, error) {
			p, err := e.Load(t.Context(), engine.Source{Name: f.Name, Wasm: wasm})
			if err != nil {
				return 0, err
			}
			defer p.Close()
			ask := &policy.Ask{}
			ask.Event.Kind = uint8(abi.KindTimeout)
			p.Decide(ask)
			return int64(p.Stats().FuelLast[abi.KindTimeout]), nil
		})
		if err != nil {
			t.Logf("not in force: %v", err)
			continue
		}
		list = append(list, a)
	}
	return list
}

// rank puts the worst attacks first.
func rank(a hostile.Attack) int {
	if i := slices.Index(worst, a.Name); i >= 0 {
		return i
	}
	return len(worst)
}

// How long the neighbour is watched, and how often the attacker gets another
// try: what a policy does it does again, what the machine does may not be.
const (
	watched  = 2 * time.Second
	patience = 3
)

// attackedHost is a host with a neighbour, and a tenant whose policy is sound.
type attackedHost struct {
	h     *hosttest.Host
	api   *client.Client
	watch neighbour.Watch
	n     int
}

func newAttackedHost(t *testing.T) *attackedHost {
	h := startHost(t, naming(t, "house"), "--store", t.TempDir())
	r := &attackedHost{h: h, api: dial(t, h, "")}
	r.watch = neighbour.Watch{
		Addr: h.Addr, Host: "neighbour.example", Idle: time.Second,
		Conns: 8, Every: 50 * time.Millisecond, Rare: 16, RareEvery: 400 * time.Millisecond, Waiters: 24,
	}
	newOperator(t, h).do("tenant", "create", "neighbour", "--host", "neighbour.example")
	newOperator(t, h).do("policy", "push", "-t", "neighbour", "fixed", "--promote", "--plugin-config", "idle=1s")
	r.create(t, "sound")
	wasm, _ := hostile.Disguise(soundPolicy(), time.Now())
	if err := r.promote(t, "sound", wasm, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

// soundPolicy is one of the corpus, which is answered like any good one.
func soundPolicy() []byte {
	i := slices.IndexFunc(hostile.Corpus(), func(a hostile.Attack) bool { return a.Name == "state-at-the-cap" })
	return hostile.Corpus()[i].Wasm()
}

func (r *attackedHost) create(t *testing.T, name string) {
	t.Helper()
	spec := spec.Spec{Hosts: []string{name + ".example"}}
	if _, _, err := r.api.PutTenant(t.Context(), name, spec, api.Precondition{Absent: true}); err != nil {
		t.Fatal(err)
	}
}

// promote uploads a module and puts it in charge.
func (r *attackedHost) promote(t *testing.T, tenant string, wasm []byte, params map[string]string) error {
	t.Helper()
	p, _, err := r.api.Upload(t.Context(), tenant, api.Upload{Name: "attack", Wasm: wasm}, nil)
	if err != nil {
		return err
	}
	_, err = r.api.Step(t.Context(), tenant, api.Step{Kind: api.StepPromote, Digest: p.Digest, Params: params}, api.Precondition{})
	return err
}

// try has one attack made, by a new tenant each time.
func (r *attackedHost) try(t *testing.T, a hostile.Attack) {
	for n := 1; ; n++ {
		calm, usual := r.beside(t, "sound")
		r.n++
		name := fmt.Sprintf("attacker%d", r.n)
		r.create(t, name)
		wrong := ""
		if r.enforce(t, name, a) {
			seen, used := r.beside(t, name)
			r.told(t, name, a)
			t.Logf("%d of %d requests answered, %d of %d connections closed, late by %v of %v, %v of %v of processor time",
				seen.Answered, calm.Answered, seen.Closed, calm.Closed, tail(seen.Late), tail(calm.Late), used, usual)
			if wrong = harm(seen, calm); wrong == "" && used > 2*usual+questionTime(watched) {
				wrong = fmt.Sprintf("the host used %v of processor time in %v, at most %v", used, watched, 2*usual+questionTime(watched))
			}
		}
		// Its connections to its upstream are asked about until it is gone.
		if err := r.api.DeleteTenant(t.Context(), name, api.Precondition{Match: "*"}); err != nil {
			t.Fatal(err)
		}
		r.rest(t)
		if wrong == "" {
			return
		}
		if n == patience {
			t.Fatal(wrong)
		}
		t.Logf("once more: %s", wrong)
	}
}

// enforce puts an attack in charge, and reports whether the host has let it. A
// host that has not says why.
func (r *attackedHost) enforce(t *testing.T, name string, a hostile.Attack) bool {
	t.Helper()
	wasm, ok := hostile.Disguise(a.Wasm(), time.Now().Add(-time.Hour), abi.KindTimeout)
	err := r.promote(t, name, wasm, a.Params)
	if !ok || err != nil {
		err = r.promote(t, name, a.Wasm(), a.Params)
	}
	if err == nil {
		return true
	}
	switch client.Kind(err) {
	case api.KindRefused, api.KindTooLarge, api.KindRate, api.KindBusy, api.KindInvalid:
		t.Logf("not in force: %v", err)
	default:
		t.Errorf("not in force, for no reason that its author could understand: %v", err)
	}
	return false
}

// beside watches the neighbour while a tenant has its traffic, and tells what
// the host and its workers have used meanwhile.
func (r *attackedHost) beside(t *testing.T, tenant string) (neighbour.Seen, time.Duration) {
	t.Helper()
	traffic := &neighbour.Traffic{Addr: r.h.Addr, Host: tenant + ".example", Conns: 48, Stay: time.Hour}
	traffic.Start()
	defer traffic.Stop()
	before, err := r.h.Times()
	if err != nil {
		t.Fatal(err)
	}
	seen := r.watch.For(t.Context(), watched)
	after, err := r.h.Times()
	if err != nil {
		t.Fatal(err)
	}
	return seen, after.Since(before)
}

// rest waits until the host does next to nothing: questions that are due may follow
// one another for seconds after their clients have gone. Those about the sound
// tenant's connections to its upstream go on.
func (r *attackedHost) rest(t *testing.T) {
	t.Helper()
	at, before := time.Now(), hosttest.Times(nil)
	hosttest.Until(t, "the host rests", func() bool {
		if before != nil && time.Since(at) < 500*time.Millisecond {
			return false
		}
		now, err := r.h.Times()
		if err != nil {
			t.Fatal(err)
		}
		rested := before != nil && now.Since(before) < 20*time.Millisecond*raceSlow
		at, before = time.Now(), now
		return rested
	})
}

// harm says what the neighbour suffers beside an attack that it does not
// without; "": nothing.
func harm(seen, calm neighbour.Seen) string {
	most := 3*tail(calm.Late) + 200*time.Millisecond
	switch {
	case seen.Failed > calm.Failed:
		return fmt.Sprintf("%d requests of the neighbour failed: %v", seen.Failed, seen.Err)
	case 2*seen.Answered < calm.Answered:
		return fmt.Sprintf("%d requests of the neighbour were answered, %d beside a sound policy", seen.Answered, calm.Answered)
	case 4*seen.Closed < 3*calm.Closed:
		return fmt.Sprintf("%d connections of the neighbour were closed, %d beside a sound policy", seen.Closed, calm.Closed)
	case tail(seen.Late) > most:
		return fmt.Sprintf("a tenth of the neighbour's connections were closed %v late, %v beside a sound policy", tail(seen.Late), tail(calm.Late))
	}
	return ""
}

func tail(list []time.Duration) time.Duration { return neighbour.Quantile(list, 0.9) }

// questionTime is the processor time that the questions of a tenant may take in
// d: 50 million units of fuel a second, and what two seconds have saved up, at
// 5 ns a unit.
func questionTime(d time.Duration) time.Duration { return (d + 2*time.Second) / 4 }

// told holds the host to what it says of an attack that was in charge.
func (r *attackedHost) told(t *testing.T, name string, a hostile.Attack) {
	t.Helper()
	if got := askH1(t, r.h.Addr)(name + ".example"); got != "house" {
		t.Errorf("a client of the attacker's: %s", got)
	}
	want := map[string]uint64{}
	if a.Want.Outcome == hostile.AtCall && a.Want.Fault != policy.FaultNone {
		want[a.Want.Fault.String()] = 1
	}
	var causes map[string]uint64
	hosttest.Until(t, fmt.Sprintf("the attacker's policy was asked, and failed of %v", slices.Collect(maps.Keys(want))), func() bool {
		roll, err := r.api.Rollout(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range roll.Sides {
			if s.Role == "active" && s.Asks > 0 {
				causes = s.Causes
			}
		}
		for cause, n := range want {
			if causes[cause] < n {
				return false
			}
		}
		return true
	})
	t.Logf("faults: %v", causes)
	for cause := range causes {
		if n := r.h.Metric(t, "host_policy_faults_total", fmt.Sprintf("tenant=%q", name), fmt.Sprintf("cause=%q", cause)); n == 0 {
			t.Errorf("the API counts %d faults of cause %s, the metric none", causes[cause], cause)
		}
	}
	resp, err := http.Get(r.h.Admin + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %s", resp.Status)
	}
}
