package tenant

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// fakeGuest answers with its own number, and complains when it is asked after
// its Close.
type fakeGuest struct {
	reason  uint16
	fault   policy.Fault
	digest  string
	learned policy.State
	tells   func() // when set, is called by Learned
	answer  func(*policy.Ask) policy.Verdict
	inside  chan struct{} // when set, Decide sends on it, then waits for leave
	leave   chan struct{}

	asked  atomic.Int64
	closed atomic.Int32
	late   atomic.Int32
}

func (g *fakeGuest) Decide(q *policy.Ask) (policy.Verdict, policy.Fault) {
	if g.inside != nil {
		g.inside <- struct{}{}
		<-g.leave
	}
	g.asked.Add(1)
	if g.closed.Load() != 0 {
		g.late.Add(1)
	}
	if g.fault != policy.FaultNone {
		return policy.Verdict{}, g.fault
	}
	if g.answer != nil {
		return g.answer(q), policy.FaultNone
	}
	return policy.Verdict{Action: abi.ActionExtend, Reason: g.reason}, policy.FaultNone
}
func (g *fakeGuest) Digest() string { return g.digest }
func (g *fakeGuest) Learned() policy.State {
	if g.tells != nil {
		g.tells()
	}
	return g.learned
}
func (g *fakeGuest) Close() error { g.closed.Add(1); return nil }

var replacements atomic.Int64

// replace puts g in charge of tn as a version that tn has not seen; nil: the
// native policy.
func replace(tn *Tenant, g Guest) {
	if g == nil {
		tn.Set(Plan{})
		return
	}
	unique := map[string]string{"n": fmt.Sprint(replacements.Add(1))}
	tn.Set(Plan{Active: &RoleVersion{Version: Version{Digest: g.Digest(), Params: unique}, Guest: g}})
}

// fakeLoader makes guests whose learned state is what they were given, with
// their digest behind it.
type fakeLoader struct {
	enter chan struct{} // when set, Load receives from it, or ends with ctx
	takes time.Duration

	running, most atomic.Int64

	mu     sync.Mutex // guards the following fields
	fail   error
	make   func(v Version) Guest
	loads  []string // "digest<learned"
	guests map[string]*fakeGuest
	all    []*fakeGuest
}

func newLoader() *fakeLoader { return &fakeLoader{guests: map[string]*fakeGuest{}} }

var errSick = errors.New("sick")

func (l *fakeLoader) Load(ctx context.Context, _ string, v Version, learned policy.State) (Guest, error) {
	for n := l.running.Add(1); n > l.most.Load(); {
		l.most.Store(n)
	}
	defer l.running.Add(-1)
	if l.enter != nil {
		select {
		case <-l.enter:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if l.takes > 0 {
		select {
		case <-time.After(l.takes):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loads = append(l.loads, fmt.Sprintf("%s<%s", v.Digest, learned.Bytes))
	if l.fail != nil {
		return nil, l.fail
	}
	if l.make != nil {
		return l.make(v), nil
	}
	g := &fakeGuest{digest: v.Digest, learned: policy.State{Bytes: append(learned.Bytes[:len(learned.Bytes):len(learned.Bytes)], v.Digest...)}}
	l.guests[v.Digest], l.all = g, append(l.all, g)
	return g, nil
}

func (l *fakeLoader) Fault(err error) policy.Fault {
	if errors.Is(err, errSick) {
		return policy.FaultCompile
	}
	return policy.FaultNone
}

func (l *fakeLoader) guest(digest string) *fakeGuest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.guests[digest]
}

func (l *fakeLoader) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.loads)
}

func (l *fakeLoader) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.loads) == 0 {
		return ""
	}
	return l.loads[len(l.loads)-1]
}

func (l *fakeLoader) ail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// fakeStates keeps states in memory.
type fakeStates struct {
	putting func() // called by PutState

	mu   sync.Mutex // guards the following fields
	err  error
	kept map[string]string
}

func newStates() *fakeStates { return &fakeStates{kept: map[string]string{}} }

func (s *fakeStates) PutState(tenant, digest string, v policy.State) error {
	if s.putting != nil {
		s.putting()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.kept[tenant+"/"+digest] = string(v.Bytes)
	}
	return s.err
}

func (s *fakeStates) State(tenant, digest string) (policy.State, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.kept[tenant+"/"+digest]
	return policy.State{Bytes: []byte(b)}, ok
}

func (s *fakeStates) get(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[key]
}

// of is a lane without a guest, by with.
func of(digest string) *RoleVersion { return &RoleVersion{Version: Version{Digest: digest}} }

func with(g *fakeGuest) *RoleVersion {
	return &RoleVersion{Version: Version{Digest: g.digest}, Guest: g}
}

// at is a question of an accepted connection at this time.
func at(kind abi.Kind, client uint64) *policy.Ask {
	return &policy.Ask{Event: policy.Event{
		Kind: uint8(kind), Client: client, Conn: client + 1, NowMs: uint64(time.Now().UnixMilli()), DeadlineMs: 5000,
	}}
}

// clientOn returns a client on the side of a role.
func clientOn(t testing.TB, tn *Tenant, role policy.Role) uint64 {
	t.Helper()
	for c := uint64(1); c < 100_000; c++ {
		if r, _ := tn.Side(c); r == role {
			return c
		}
	}
	t.Fatalf("no client is %v's", role)
	return 0
}

// isClosed checks how often a guest was closed, and that it was not asked
// afterwards.
func isClosed(t testing.TB, what string, g *fakeGuest, want int32) {
	t.Helper()
	if got := g.closed.Load(); got != want || g.late.Load() != 0 {
		t.Errorf("%s: closed %d times, want %d; asked %d times after that", what, got, want, g.late.Load())
	}
}
