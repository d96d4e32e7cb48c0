package worker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/host/internal/sandbox/worker/control"
	"idlehost/sdk/abi"
)

// world makes processes, and says how guests behave in them. Its lock guards all
// that is in them.
type world struct {
	mu        sync.Mutex
	processes []*fake
	failing   int // starts that fail yet

	// By tenant. Of a question: what it costs, or how it ends the process.
	cost map[string]time.Duration
	ends map[string]Ending
	once bool // that a tenant ends one
	// Of a load.
	loadEnds map[string]Ending
	loadErr  map[string]error
	loadTime map[string]time.Duration // 0: a millisecond on the clock, and none to wait
	answer   func(tenant string, q *channel.Question, a *channel.Answer)
	mute     bool             // nobody tells what was learned
	stopped  bool             // nobody reads: what writes waits for two seconds
	system   time.Duration    // that the kernel took of each
	codeless int              // processes that find no code, the first ones
	faults   map[string]error // of its questions, where the answer says so
	tenants  map[*engine.Prepared]string
	batches  [][]string // tenants, by batch
}

func newWorld() *world {
	return &world{
		cost: map[string]time.Duration{}, ends: map[string]Ending{}, loadEnds: map[string]Ending{},
		loadErr: map[string]error{}, loadTime: map[string]time.Duration{}, tenants: map[*engine.Prepared]string{},
	}
}

func (w *world) start(ctx context.Context, _ Says) (Process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing > 0 {
		w.failing--
		return nil, errors.New("no process")
	}
	f := &fake{world: w, id: len(w.processes), guests: map[uint32]*fakeGuest{}, ended: make(chan struct{}), loading: make(chan struct{}, 1), running: -1}
	w.processes = append(w.processes, f)
	return f, nil
}

// with calls f with the lock held.
func (w *world) with(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) stops() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

// living returns the processes that have guests.
func (w *world) living() []*fake {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.livingLocked()
}

// used returns the processor time that they have taken.
func (w *world) used() (cpu time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.livingLocked() {
		cpu += f.used
	}
	return cpu
}

// left returns the processes that have not ended.
func (w *world) left() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.processes {
		if !f.closed {
			n++
		}
	}
	return n
}

func (w *world) livingLocked() (list []*fake) {
	for _, f := range w.processes {
		if !f.over && len(f.guests) > 0 {
			list = append(list, f)
		}
	}
	return list
}

// fake is a process without one. A guest learns how many questions it was asked.
type fake struct {
	world    *world
	id       int
	ended    chan struct{}
	loading  chan struct{} // holds one while an instance is made
	guests   map[uint32]*fakeGuest
	over     bool
	closed   bool
	ending   Ending
	running  int
	starting uint32 // 0: none
	used     time.Duration
}

type fakeGuest struct {
	tenant string
	asked  uint64
	gaps   policy.Gaps // the last that it was given
}

func (f *fake) endLocked(why Ending) {
	if !f.over {
		f.over, f.ending = true, why
		close(f.ended)
	}
}

func (f *fake) Fit(qs []*channel.Question) int {
	gaps := 0
	for i, q := range qs {
		if q.Kind == channel.GapsNew {
			if gaps++; gaps > 4 {
				return i
			}
		}
	}
	return len(qs)
}

func (f *fake) Exchange(qs []*channel.Question, as []channel.Answer, deadline time.Time) error {
	var names []string
	for i, q := range qs {
		f.world.mu.Lock()
		g := f.guests[q.Guest]
		if f.over || g == nil {
			f.world.mu.Unlock()
			return channel.ErrGone
		}
		f.running = i
		names = append(names, g.tenant)
		cost, why := f.world.cost[g.tenant], f.world.ends[g.tenant]
		f.world.mu.Unlock()
		if why == EndSilent {
			select {
			case <-time.After(time.Until(deadline)):
				return os.ErrDeadlineExceeded
			case <-f.ended:
				return channel.ErrGone
			}
		}
		if cost > 0 {
			<-time.After(cost)
		}
		f.world.mu.Lock()
		if why != EndStopped {
			if f.world.once {
				delete(f.world.ends, g.tenant)
			}
			f.endLocked(why)
			f.world.mu.Unlock()
			return channel.ErrGone
		}
		f.used += cost
		g.asked++
		switch q.Kind {
		case channel.GapsNew:
			g.gaps = *q.Gaps
		case channel.GapsNone:
			g.gaps = policy.Gaps{}
		}
		as[i] = channel.Answer{Reply: uint64(abi.Verdict(abi.ActionExtend, uint32(g.asked), 0, 0)), Fuel: 100, Time: cost}
		as[i].State = q.Event.State
		as[i].State[0]++
		if f.world.answer != nil {
			f.world.answer(g.tenant, q, &as[i])
		}
		f.world.mu.Unlock()
	}
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	f.running = -1
	f.world.batches = append(f.world.batches, names)
	if f.over {
		return channel.ErrGone
	}
	return nil
}

func (f *fake) Running() (int, bool) {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	return f.running, f.running >= 0
}

func (f *fake) Starting() (uint32, bool) {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	return f.starting, f.starting != 0
}

func (f *fake) Load(_ context.Context, n uint32, p *engine.Prepared, s engine.State) (control.Loaded, error) {
	f.loading <- struct{}{}
	defer func() { <-f.loading }()
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	tenant := f.world.tenants[p]
	took := time.Millisecond
	if d := f.world.loadTime[tenant]; d > 0 {
		took = d
		f.world.mu.Unlock()
		select {
		case <-time.After(d):
		case <-f.ended:
		}
		f.world.mu.Lock()
	}
	switch {
	case f.over:
		return control.Loaded{}, channel.ErrGone
	case f.id < f.world.codeless:
		return control.Loaded{}, engine.ErrNoCode
	case f.world.loadErr[tenant] != nil:
		return control.Loaded{Time: time.Millisecond}, f.world.loadErr[tenant]
	case f.world.loadEnds[tenant] != EndStopped:
		f.starting = n
		f.endLocked(f.world.loadEnds[tenant])
		return control.Loaded{}, channel.ErrGone
	}
	g := &fakeGuest{tenant: tenant}
	if len(s.Bytes) == 8 {
		g.asked = binary.LittleEndian.Uint64(s.Bytes)
	}
	f.guests[n] = g
	return control.Loaded{Restored: len(s.Bytes) > 0, Time: took}, nil
}

func (f *fake) Unload(n uint32) error {
	if f.world.stops() {
		select {
		case <-time.After(2 * time.Second):
		case <-f.ended:
		}
	}
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if !f.over && f.guests[n] == nil {
		return fmt.Errorf("no guest %d", n)
	}
	delete(f.guests, n)
	return nil
}

func (f *fake) State(ctx context.Context, n uint32) (engine.State, error) {
	f.world.mu.Lock()
	if f.world.mute {
		f.world.mu.Unlock()
		<-ctx.Done()
		return engine.State{}, ctx.Err()
	}
	defer f.world.mu.Unlock()
	g := f.guests[n]
	if f.over || g == nil {
		return engine.State{}, channel.ErrGone
	}
	return engine.State{Format: 1, Bytes: binary.LittleEndian.AppendUint64(nil, g.asked)}, nil
}

func (f *fake) GuestErr(n uint32) error {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	return f.world.faults[f.guests[n].tenant]
}

func (f *fake) Close() error {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if !f.over {
		return errors.New("it has not ended")
	}
	f.closed = true
	return nil
}

func (f *fake) Kill() {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	f.endLocked(EndKilled)
}

func (f *fake) Ended() <-chan struct{} { return f.ended }

func (f *fake) Ending() Ending {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	return f.ending
}

func (f *fake) Usage() (user, system time.Duration) {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	return f.used, f.world.system
}

// listener keeps what it is told.
type listener struct {
	mu    sync.Mutex
	ended []string
	moved []string
	cpu   map[string]time.Duration
	asked int
}

func (l *listener) Batch(_ Kind, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked += n
}

func (l *listener) Asked(tenant string, cpu time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cpu[tenant] += cpu
}

func (l *listener) Ended(k Kind, why Ending, g *Guest, proven bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := k.String() + " " + why.String()
	if g != nil {
		text += " " + g.Tenant()
		if proven {
			text += ", proven"
		}
	}
	l.ended = append(l.ended, text)
}

func (l *listener) Moved(g *Guest, to Kind, _ string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moved = append(l.moved, g.Tenant()+" "+to.String())
}

func (l *listener) endings() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.ended...)
}

func (l *listener) moves() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.moved...)
}

// house is a pool over a world.
type house struct {
	*Pool
	world *world
	heard *listener
	t     *testing.T
	tail  uint64
}

func newHouse(t *testing.T) *house {
	h := &house{world: newWorld(), heard: &listener{cpu: map[string]time.Duration{}}, t: t}
	h.Pool = New(Config{Start: h.world.start, Shared: 1, Observer: h.heard})
	h.lend = func(context.Context, *engine.Prepared) error { return nil }
	return h
}

// guest loads a tenant's policy.
func (h *house) guest(tenant string, o Options, quota *engine.Quota) *Guest {
	h.t.Helper()
	g, err := h.try(tenant, o, quota)
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

func (h *house) try(tenant string, o Options, quota *engine.Quota) (*Guest, error) {
	return h.version(tenant, tenant, o, quota)
}

// version loads one of a tenant's policies.
func (h *house) version(tenant, name string, o Options, quota *engine.Quota) (*Guest, error) {
	p := &engine.Prepared{Name: tenant, Metered: &engine.Metered{Digest: sha256.Sum256([]byte(name))}}
	h.world.with(func() { h.world.tenants[p] = tenant })
	o.Tenant = tenant
	g, _, err := h.load(h.t.Context(), p, engine.Source{Name: tenant, Quota: quota}, o)
	return g, err
}

// reply is what became of a question.
type reply struct {
	conn  uint64
	v     policy.Verdict
	fault policy.Fault
	state uint8
	at    time.Time
}

// replies takes answers in their order.
type replies struct {
	mu   sync.Mutex
	list []reply
}

func (r *replies) Answered(ask *policy.Ask, v policy.Verdict, fault policy.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, reply{ask.Event.Conn, v, fault, ask.Event.State[0], time.Now()})
}

func (r *replies) all() []reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]reply(nil), r.list...)
}

func (r *replies) faults() (fs []policy.Fault) {
	for _, x := range r.all() {
		fs = append(fs, x.fault)
	}
	return fs
}

// ask puts n questions.
func (h *house) ask(g *Guest, n int) *replies {
	r := new(replies)
	for range n {
		h.tail++
		a := policy.Ask{Event: policy.Event{Kind: uint8(abi.KindTimeout), Conn: h.tail, NowMs: uint64(time.Now().UnixMilli())}}
		g.Ask(&a, r)
	}
	return r
}
