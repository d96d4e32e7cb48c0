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

	"idlehost/host/internal/engine"
	corpus "idlehost/host/internal/engine/hostile"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// What an attacker can be told, beside the name of a class of the corpus.
const (
	none       = "none"
	everything = "everything" // uploads of all classes, and calls
	calls      = "calls"      // policies in charge that fail when they are asked
)

// askEvery is the pace of the hostile tenant's connections: how often one of
// them asks. It is traffic, which the tenant pays for like everybody, and not
// what the attack is about.
const askEvery = time.Millisecond

// uploadEvery is the pace of its uploads, unless one takes longer: they come one
// at a time. What reads uploads has to bound their rate, since each takes some
// processor time of the host itself, a refused one too.
const uploadEvery = 50 * time.Millisecond

// attacker is the hostile tenant. It uploads, one module at a time, and its
// connections ask whatever is in charge.
type attacker struct {
	host    *shared
	kinds   map[string][]corpus.Attack
	next    map[string]int // position in a kind, kept over rounds
	dir     string         // holds the modules, made beforehand
	stop    context.CancelFunc
	running sync.WaitGroup

	// Written by the running goroutines, read between them.
	uploads, loaded, asked, failed int
}

func newAttacker(s *shared, dir string) (*attacker, error) {
	a := &attacker{host: s, kinds: map[string][]corpus.Attack{}, next: map[string]int{}, dir: dir, stop: func() {}}
	all := corpus.Corpus()
	// Shuffled, so that every round has something of everything.
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, t := range all {
		if err := os.WriteFile(a.file(t), t.Wasm(), 0o600); err != nil {
			return nil, err
		}
		a.kinds[everything] = append(a.kinds[everything], t)
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
	did := fmt.Sprintf("uploads %d loaded %d asked %d failed %d of %d", a.uploads, a.loaded, a.asked, a.failed, len(a.kinds[everything]))
	a.uploads, a.loaded, a.asked, a.failed = 0, 0, 0, 0
	var ctx context.Context
	ctx, a.stop = context.WithCancel(context.Background())
	if name == none {
		a.host.tenants[hostile].Replace(nil)
		return did
	}
	a.running.Go(func() { a.upload(ctx, name) })
	a.running.Go(func() { a.ask(ctx) })
	return did
}

// upload has one module of a kind after the other take charge.
func (a *attacker) upload(ctx context.Context, kind string) {
	list := a.kinds[kind]
	tick := time.NewTicker(uploadEvery)
	defer tick.Stop()
	for ctx.Err() == nil && len(list) > 0 {
		t := list[a.next[kind]%len(list)]
		a.next[kind]++
		a.uploads++
		wasm, err := os.ReadFile(a.file(t))
		if err == nil {
			err = a.host.load(hostile, engine.Source{Name: t.Name, Wasm: wasm, Params: t.Params})
		}
		if err == nil {
			a.loaded++
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
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
