package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	corpus "idlehost/host/internal/sandbox/hostile"
	"idlehost/host/internal/tenant"
	"idlehost/sdk/abi"
)

// What an attacker can be told, beside the name of a class of the corpus.
const (
	none       = "none"
	traffic    = "traffic"    // nothing: connections of a tenant with a sound policy
	everything = "everything" // uploads of all classes, and calls
	burst      = "burst"      // the same by a tenant that has saved up all it can
	calls      = "calls"      // policies in charge that fail when they are asked
)

// askEvery is the pace of the hostile tenant's connections: how often one of
// them asks. It is traffic, which the tenant pays for like everybody, and not
// what the attack is about.
const askEvery = time.Millisecond

// uploadEvery is the pace at which it tries to upload, unless one takes longer:
// they come one at a time. It is as fast as requests for it would come in;
// what is let in, the tenant's quota says.
const uploadEvery = time.Millisecond

// What the quota of the hostile tenant lets it spend on loading, as by default.
const (
	earned = 2500 * time.Microsecond // a second
	saved  = 10 * time.Second
)

func fullQuota() *engine.Quota {
	return engine.NewQuota(engine.QuotaConfig{LoadPerSecond: earned, LoadSaved: saved})
}

// attacker is the hostile tenant. It uploads, one module at a time, and its
// connections ask whatever is in charge.
type attacker struct {
	host    *shared
	kinds   map[string][]corpus.Attack
	next    map[string]int // position in a kind, kept over rounds
	dir     string         // holds the modules, made beforehand
	quota   *engine.Quota  // of the attack that runs
	spent   *engine.Quota  // of a tenant that has attacked for long, kept over rounds
	rested  time.Time      // when spent was last used
	stop    context.CancelFunc
	running sync.WaitGroup

	// Written by the running goroutines, read between them.
	uploads, letIn, loaded, asked, failed int
	broken                                error // an upload that could not even be tried
}

func newAttacker(s *shared, dir string) (*attacker, error) {
	a := &attacker{host: s, kinds: map[string][]corpus.Attack{}, next: map[string]int{}, dir: dir, spent: fullQuota(), rested: time.Now(), stop: func() {}}
	a.spent.Charge(saved)
	all := corpus.Corpus()
	// Shuffled, so that every round has something of everything.
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, t := range all {
		if err := os.WriteFile(a.file(t), t.Wasm(), 0o600); err != nil {
			return nil, err
		}
		a.kinds[everything] = append(a.kinds[everything], t)
		a.kinds[burst] = append(a.kinds[burst], t)
		a.kinds[string(t.Class)] = append(a.kinds[string(t.Class)], t)
		if t.Want.Outcome == corpus.AtCall {
			a.kinds[calls] = append(a.kinds[calls], t)
		}
	}
	debug.FreeOSMemory() // what making them took
	return a, nil
}

func (a *attacker) file(t corpus.Attack) string { return filepath.Join(a.dir, t.Name+".wasm") }

// turnTo ends what runs, begins the named attack, and tells what the former
// one did. It returns when the last upload has ended.
func (a *attacker) turnTo(name string) string {
	a.stop()
	a.running.Wait()
	if a.quota == a.spent {
		a.quota, a.rested = nil, time.Now()
	}
	did := a.did()
	a.uploads, a.letIn, a.loaded, a.asked, a.failed, a.broken = 0, 0, 0, 0, 0, nil
	var ctx context.Context
	ctx, a.stop = context.WithCancel(context.Background())
	if name == none {
		a.host.tenants[hostile].Set(tenant.Plan{})
		return did
	}
	if name == traffic {
		a.broken = a.host.load(hostile, engine.Source{Name: "adaptive", Wasm: bundled("adaptive")})
		a.running.Go(func() { a.ask(ctx) })
		return did
	}
	if a.broken = a.settle(name); a.broken != nil {
		return did
	}
	a.running.Go(func() { a.upload(ctx, name) })
	a.running.Go(func() { a.ask(ctx) })
	return did
}

func (a *attacker) did() string {
	if a.broken != nil {
		return "cannot attack: " + a.broken.Error()
	}
	return fmt.Sprintf("uploads tried %d let in %d loaded %d asked %d failed %d",
		a.uploads, a.letIn, a.loaded, a.asked, a.failed)
}

// settle gives an attack its quota, and puts in charge what was uploaded
// before it began: a policy that fails when it is asked.
func (a *attacker) settle(name string) error {
	src, err := a.pick(calls)
	if err == nil {
		err = a.host.load(hostile, src)
	}
	if name == burst {
		a.quota = fullQuota()
		return err
	}
	// Who attacks all the time saves up nothing in between.
	rest := time.Since(a.rested)
	a.spent.Charge(time.Duration(rest.Seconds() * float64(earned)))
	a.quota = a.spent
	return err
}

// pick returns the next module of a kind.
func (a *attacker) pick(kind string) (engine.Source, error) {
	list := a.kinds[kind]
	if len(list) == 0 {
		return engine.Source{}, fmt.Errorf("nothing is called %q", kind)
	}
	t := list[a.next[kind]%len(list)]
	a.next[kind]++
	wasm, err := os.ReadFile(a.file(t))
	return engine.Source{Name: t.Name, Wasm: wasm, Params: t.Params}, err
}

// upload has one module of a kind after the other take charge.
func (a *attacker) upload(ctx context.Context, kind string) {
	tick := time.NewTicker(uploadEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		a.uploads++
		if err := a.uploadOne(kind); err != nil {
			a.broken = err
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// uploadOne tries to, as what reads uploads would do it: the body of a tenant
// that has to wait is not even read.
func (a *attacker) uploadOne(kind string) error {
	if a.quota.RetryAfter() > 0 {
		return nil
	}
	src, err := a.pick(kind)
	if err != nil {
		return err
	}
	a.letIn++
	src.Quota = a.quota
	if a.host.load(hostile, src) == nil {
		a.loaded++
	}
	return nil
}

// ask asks as connections would: in turns about accepts, timeouts and ends.
func (a *attacker) ask(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	q := &policy.Ask{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			q.Event = policy.Event{
				Kind: uint8(abi.Kind(a.asked) % (abi.KindClose + 1)), NowMs: uint64(now.UnixMilli()), DeadlineMs: 1000,
			}
			a.asked++
			if v := a.host.tenants[hostile].Decide(q); v.Source == policy.SourceFallback {
				a.failed++
			}
		}
	}
}
