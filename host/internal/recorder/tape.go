package recorder

import (
	"maps"
	"sync"
	"sync/atomic"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
)

// Tape is what a Recorder takes down of one tenant's connections, of either
// side. Safe for concurrent use.
type Tape struct {
	r     *Recorder
	state *state // its records; the Recorder's mu guards it
	told  uint64 // of dropped, what the writer has told; the writer's

	// asking is held while the tenant's policy is asked: its questions have their
	// places in the order in which it gets them.
	asking sync.Mutex

	queued  atomic.Int64  // records in the ring
	dropped atomic.Uint64 // records that there was no room for
}

// Tenant returns the tape of a tenant, the same one for the same name.
func (r *Recorder) Tenant(name string) *Tape {
	name = name[:min(len(name), trace.MaxName)]
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.names[name]; t != nil {
		return t
	}
	s := &state{number: uint32(len(r.tenants) + 1), name: name}
	t := &Tape{r: r, state: s}
	r.tenants, r.tapes = append(r.tenants, s), append(r.tapes, t)
	r.names[name] = t
	r.shared.Store(len(r.tapes) > 1)
	r.stateLocked(s.naming(0))
	return t
}

// Installed says that a version, of the module with a digest, plays a role from
// now on; "": no module does.
func (t *Tape) Installed(role policy.Role, digest string, p map[string]string) {
	if int(role) >= len(t.state.policies) {
		return
	}
	next := &installed{digest: digest, params: params(maps.Clone(p))}
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	old := t.state.policies[role]
	if old != nil && *old == *next || old == nil && digest == "" {
		return
	}
	t.state.policies[role] = next
	t.r.stateLocked(t.state.playing(role, next, 0))
}

// Ruled says what the law of the connections of a side is from now on.
func (t *Tape) Ruled(side policy.Side, law policy.Timeouts, l policy.Limits) {
	if int(side) >= len(t.state.rules) {
		return
	}
	next := &trace.Rules{Timeouts: law, Limits: l}
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	if old := t.state.rules[side]; old != nil && *old == *next {
		return
	}
	t.state.rules[side] = next
	t.r.stateLocked(t.state.ruled(side, next, 0))
}

// stateLocked has a change of a tenant's state written, where it belongs among
// the other records; at the end of them if the ring is full.
func (r *Recorder) stateLocked(rec trace.Record) {
	w := &whole{record: rec}
	if rec.Rules != nil {
		w.rules = *rec.Rules
		w.record.Rules = &w.rules
	}
	if !r.over.Load() && (len(r.overflow) > 0 || !r.tryPush(&w.record, w)) {
		r.overflow = append(r.overflow, w)
	}
}

// Lock begins the asking of a question, from the Mark of its place on.
func (t *Tape) Lock() { t.asking.Lock() }

// Unlock ends it.
func (t *Tape) Unlock() { t.asking.Unlock() }

// Takes reports whether a client's connections are taken down.
func (t *Tape) Takes(client uint64) bool {
	n := t.r.cfg.Sample
	return n == Everybody || uint32(t.r.pick.sum(client))%Everybody < n
}

// Take takes down one record. It is on the path of every request: no lock and
// no allocation, but for questions and answers.
func (t *Tape) Take(rec trace.Record) {
	switch rec.Kind {
	case trace.KindAsk:
		t.TakeAt(t.Mark(), rec, nil)
	case trace.KindAnswer:
		t.takeAnswer(rec, rec.Answer)
	default:
		t.push(&rec, nil)
	}
}

// takeAnswer takes down an answer, of which it keeps nothing.
func (t *Tape) takeAnswer(rec trace.Record, a *trace.Answer) {
	w := t.r.boxes.Get().(*whole)
	w.record, w.answer, w.answered = rec, *a, false
	w.record.Answer = &w.answer
	if !t.push(&w.record, w) {
		t.r.boxes.Put(w)
	}
}

// claim returns a place in the ring, if there is one for this tenant. A tenant may
// have as many records in the ring as there are free places: so no tenant can have
// another's records dropped. A tenant that is alone may fill the ring.
func (t *Tape) claim() (at uint64, ok bool) {
	if !t.r.shared.Load() || t.queued.Load() < int64(t.r.ring.free()) {
		at, ok = t.r.ring.claim()
	}
	if !ok {
		t.drop()
		return noPlace, false
	}
	t.queued.Add(1)
	return at, true
}

func (t *Tape) drop() {
	t.dropped.Add(1)
	t.r.dropped.Add(1)
}

// push hands a record to the writer, or w where that is not nil. One that there
// is no room for is counted.
func (t *Tape) push(rec *trace.Record, w *whole) bool {
	if t.r.over.Load() {
		return false
	}
	at, ok := t.claim()
	if ok {
		t.r.fill(at, rec, t.state.number, w)
	}
	return ok
}

// Dropped is how many of the tenant's records were left out for want of room.
func (t *Tape) Dropped() uint64 { return t.dropped.Load() }

// noPlace is what Mark returns where there is no room.
const noPlace = 1<<64 - 1

// Mark keeps a place for a record that TakeAt must be told of: until then the
// writer waits, and with it all that comes behind.
func (t *Tape) Mark() (place uint64) {
	if t.r.over.Load() {
		return noPlace
	}
	at, _ := t.claim()
	return at
}

// TakeAt takes down a question at the place that Mark has kept for it, and its
// answer with it if that was given inside the call.
func (t *Tape) TakeAt(place uint64, rec trace.Record, answer *trace.Answer) {
	if place == noPlace {
		return
	}
	w := t.r.boxes.Get().(*whole)
	w.record, w.ask = rec, *rec.Ask
	w.record.Ask = &w.ask
	if w.answered = answer != nil; w.answered {
		w.answer = *answer
	}
	t.r.fill(place, &w.record, t.state.number, w)
}

// Shadowed takes down what a shadow has answered to a question that was, or will
// be, taken down with what is enforced. Its time is the question's, to the
// millisecond, which the writer makes exact where it comes right behind it.
func (t *Tape) Shadowed(a *policy.Ask, v policy.Verdict) {
	if t.r.over.Load() || !t.Takes(a.Event.Client) {
		return
	}
	t.takeAnswer(trace.Record{
		Kind: trace.KindAnswer, Conn: a.Event.Conn, Time: (int64(a.Event.NowMs) - t.r.cfg.Start/1e6) * 1e6,
	}, &trace.Answer{Verdict: v, State: a.Event.State, Leases: a.Event.Leases})
}

// Of reports whether it is a tape of r's.
func (t *Tape) Of(r *Recorder) bool { return t.r == r }

// Over reports whether nothing is taken down any more.
func (t *Tape) Over() bool { return t.r.over.Load() }
