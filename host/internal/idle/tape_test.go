package idle

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// notes is a Tape that writes records as words.
type notes struct {
	mu     sync.Mutex // guards the following
	leaves bool       // it takes nobody
	asked  int
	all    []trace.Record
}

func (n *notes) Takes(uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	return !n.leaves
}

func (n *notes) Take(r trace.Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r.Own()
	n.all = append(n.all, r)
}

// told returns what was told since the last time: kind, time in milliseconds,
// and what belongs to the kind.
func (n *notes) told() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var words []string
	for i, r := range n.all {
		w := fmt.Sprint(r.Kind, "@", r.Time/ms)
		switch r.Kind {
		case trace.KindOpen:
			w += fmt.Sprint("/", r.Phase, "/age", r.Age/ms, "/in", r.BytesIn)
		case trace.KindBegin:
			w += fmt.Sprint("/route", r.Route, "/since", r.Since/ms)
		case trace.KindPhase:
			w += fmt.Sprint("/", r.Phase, "/", r.Protocol, "/", r.Handshake)
		case trace.KindEnd:
			w += fmt.Sprint("/in", r.BytesIn)
		case trace.KindBurst:
			w += fmt.Sprint("/since", r.Since/ms, "/in", r.BytesIn)
		case trace.KindHint:
			w += fmt.Sprint("/", r.Since/ms)
		case trace.KindAsk:
			w += fmt.Sprint("/", abi.Kind(r.Ask.Kind))
		case trace.KindAnswer:
			w += fmt.Sprint("/", r.Answer.Verdict.Action)
			if r.Answer.Dropped {
				w += "/dropped"
			}
			if before := n.all[max(i-1, 0)]; before.Kind == trace.KindAsk && before.Conn == r.Conn && before.Time == r.Time {
				words[len(words)-1] += w[strings.Index(w, "/"):] // inside the call
				continue
			}
		case trace.KindClose:
			w += fmt.Sprint("/", r.Phase, "/", r.Reason, "/since", r.Since/ms, "/cut ", r.Cut)
		}
		words = append(words, w)
	}
	n.all = nil
	return strings.Join(words, ", ")
}

func (n *notes) want(t *testing.T, words ...string) {
	t.Helper()
	if got, want := n.told(), strings.Join(words, ", "); got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
}

// taped returns a world, an account of 30 s and its tape.
func taped(d policy.Policy) (*Virtual, *Account, *notes) {
	v := NewVirtual(Config{}, World{Start: time.UnixMilli(1_000_000)})
	law := policy.Timeouts{abi.PhaseIdle: {Idle: 30 * time.Second}, abi.PhaseHeader: {Idle: 5 * time.Second}}
	a, n := NewAccount("a", d, books.New(books.Config{}), law, policy.Limits{}), new(notes)
	a.SetTape(n)
	return v, a, n
}

func admit(t *testing.T, v *Virtual, a *Account, side policy.Side) *Conn {
	t.Helper()
	c := v.Open(a, 7, side)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTapeIsToldALife(t *testing.T) {
	v, a, n := taped(&questions{extend: 50 * time.Second})
	v.Set(1000 * ms)
	c := v.Open(a, 7, abi.SideAccepted)
	v.Set(1200 * ms)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	n.want(t, "open@1200/idle/age200/in0", "ask@1200/accept/default")
	v.Set(2000 * ms)
	v.Stir(c)
	n.want(t, "") // the request tells
	v.Set(2003 * ms)
	c.Begin(4, false)
	v.Pass(c, 100, 200)
	v.Set(2500 * ms)
	c.End()
	n.want(t, "begin@2003/route4/since3", "end@2500/in100")
	v.Advance(100_000 * ms)
	n.want(t, "ask@32500/timeout/extend", "ask@82500/timeout/default", "close@82500/idle/default/since80000/cut true")
}

// TestTapeIsToldOfRequestsThatNeverWere: a question puts a connection whose
// first bytes have come into the phase that they began.
func TestTapeIsToldOfRequestsThatNeverWere(t *testing.T) {
	v, a, n := taped(decide(native))
	c := admit(t, v, a, abi.SideAccepted)
	n.told()
	v.Set(1000 * ms)
	v.Stir(c)
	v.Advance(6000 * ms)
	n.want(t, "phase@1000/header/unknown/0", "ask@6000/timeout/default", "close@6000/header/default/since5000/cut false")
}

func TestTapeIsToldOfTunnels(t *testing.T) {
	v, a, n := taped(decide(native))
	c := admit(t, v, a, abi.SideDialled)
	n.told()
	c.SetHint(4 * time.Second)
	c.SetHint(4 * time.Second) // no news
	c.SetHandshake(2)
	c.SetHandshake(2)
	c.SetProtocol(abi.ProtocolWebSocket)
	v.Set(1000 * ms)
	c.SetPhase(abi.PhaseTunnel)
	n.want(t, "hint@0/4000", "phase@0/idle/unknown/2", "phase@0/idle/websocket/2", "phase@1000/tunnel/websocket/2")
	for _, at := range []int64{1100, 1340, 1360, 5000} {
		v.Set(at * ms)
		c.didRead(10)
	}
	// Bytes after silence, or of a quarter of a second.
	n.want(t, "burst@1100/since100/in10", "burst@1360/since20/in30", "burst@5000/since3640/in40")
	v.Leave(c, policy.ReasonPeer)
	n.want(t, "close@5000/tunnel/peer/since0/cut false")
}

// TestTapeMayComeLate: connections that are open are introduced by what happens
// to them next, to each tape that is set.
func TestTapeMayComeLate(t *testing.T) {
	v, a, n := taped(decide(native))
	a.SetTape(nil)
	c := admit(t, v, a, abi.SideAccepted)
	v.Set(5000 * ms)
	c.Begin(0, false)
	v.Pass(c, 100, 0)
	c.End()
	n.want(t, "")
	a.SetTape(n)
	n.want(t, "")
	v.Set(9000 * ms)
	c.Begin(0, false)
	c.End()
	n.want(t, "open@5000/idle/age5000/in100", "begin@9000/route0/since0", "end@9000/in100")
	other := new(notes)
	a.SetTape(other)
	v.Set(9500 * ms)
	v.Leave(c, policy.ReasonPeer)
	n.want(t, "")
	other.want(t, "open@9000/idle/age9000/in100", "close@9500/idle/peer/since500/cut false")
}

// TestTapeMayComeInTheMiddle of several requests.
func TestTapeMayComeInTheMiddle(t *testing.T) {
	v, a, n := taped(decide(native))
	a.SetTape(nil)
	c := admit(t, v, a, abi.SideAccepted)
	c.SetProtocol(abi.ProtocolHTTP2)
	v.Set(1000 * ms)
	for range 3 {
		c.Begin(2, false)
	}
	a.SetTape(n)
	v.Set(2000 * ms)
	c.End()
	n.want(t, "open@1000/upstream/age1000/in0", "begin@1000/route2/since0", "begin@1000/route2/since0", "end@2000/in0")
	c.End()
	c.End()
	n.want(t, "end@2000/in0", "end@2000/in0")
}

// TestTapeMayLeaveAClient: it is asked once for each connection.
func TestTapeMayLeaveAClient(t *testing.T) {
	v, a, n := taped(decide(native))
	n.leaves = true
	c := admit(t, v, a, abi.SideAccepted)
	for range 5 {
		c.Begin(0, false)
		c.End()
	}
	v.Leave(c, policy.ReasonPeer)
	n.want(t, "")
	if n.asked != 1 {
		t.Errorf("asked %d times", n.asked)
	}
}

// TestTapesOfBothTenants: a connection that changes hands ends for one, and
// begins for the other; where that turns it away, it was there all the same.
func TestTapesOfBothTenants(t *testing.T) {
	v, a, n := taped(decide(native))
	c := admit(t, v, a, abi.SideAccepted)
	b, m := NewAccount("b", decide(native), nil, policy.Timeouts{}, policy.Limits{}), new(notes)
	b.SetTape(m)
	v.Set(1000 * ms)
	n.told()
	if err := c.Reassign(b); err != nil {
		t.Fatal(err)
	}
	n.want(t, "close@1000/idle/local/since0/cut false")
	m.want(t, "open@0/idle/age0/in0", "ask@1000/accept/default")

	refuse := decide(func(*policy.Ask) policy.Verdict {
		return policy.Verdict{Action: abi.ActionClose, Source: policy.SourcePolicy}
	})
	d, o := NewAccount("d", refuse, nil, policy.Timeouts{}, policy.Limits{}), new(notes)
	d.SetTape(o)
	if err := c.Reassign(d); err != ErrRefused {
		t.Fatal(err)
	}
	o.want(t, "open@0/idle/age0/in0", "ask@1000/accept/close", "close@1000/idle/local/since0/cut false")
	m.want(t, "close@1000/idle/local/since0/cut false")
	v.Leave(c, policy.ReasonPeer)
	m.want(t, "open@0/idle/age0/in0", "close@1000/idle/peer/since1000/cut false")
}

// TestTapesChangeWhileTheyAreTold hammers the change of a tape against all that
// is told. What one connection is told of to one tape stays in order.
func TestTapesChangeWhileTheyAreTold(t *testing.T) {
	g := New(Config{})
	defer g.Close()
	a := NewAccount("a", decide(native), nil, policy.Timeouts{}, policy.Limits{})
	tapes := []*notes{{}, {}}
	stop := make(chan struct{})
	var changes, traffic sync.WaitGroup
	changes.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if a.SetTape(tapes[i%2]); i%3 == 0 {
				a.SetTape(nil)
			}
		}
	})
	for range 4 {
		traffic.Go(func() {
			for range 50 {
				near, far := net.Pipe()
				c := g.Govern(near, a, abi.SideAccepted)
				if err := c.Admit(nil); err != nil {
					t.Error(err)
				}
				for range 20 {
					c.Begin(0, false)
					c.SetHandshake(1)
					c.End()
				}
				c.Close()
				far.Close()
			}
		})
	}
	traffic.Wait()
	close(stop)
	changes.Wait()
	a.SetTape(nil)
	for _, n := range tapes {
		for _, r := range n.all {
			if r.Conn == 0 {
				t.Fatalf("%+v is of no connection", r)
			}
		}
	}
}

func TestNoTapeNoMemory(t *testing.T) {
	v, a, n := taped(decide(native))
	c := admit(t, v, a, abi.SideAccepted)
	n.mu.Lock()
	n.all = slices.Grow(n.all, 1<<16)
	n.mu.Unlock()
	request := func() {
		c.Begin(0, false)
		c.SetPhase(abi.PhaseWrite)
		c.End()
	}
	if got := testing.AllocsPerRun(100, request); got > 0 {
		t.Errorf("%v allocations a request with a tape", got)
	}
	a.SetTape(nil)
	if got := testing.AllocsPerRun(100, request); got > 0 {
		t.Errorf("%v allocations a request without", got)
	}
}

// placed is a Tape that notes the order of the places that questions get.
type placed struct {
	sync.Mutex
	notes
	order []uint64 // the connections asked about
	next  uint64
}

func (p *placed) Mark() uint64 { p.next++; return p.next - 1 }

func (p *placed) TakeAt(place uint64, ask trace.Record, _ *trace.Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := int(place) + 1 - len(p.order); n > 0 {
		p.order = append(p.order, make([]uint64, n)...)
	}
	p.order[place] = ask.Conn
}

// TestQuestionsAreRecordedInTheirOrder: the one in which the policy got them, by
// which it learns, however many goroutines ask.
func TestQuestionsAreRecordedInTheirOrder(t *testing.T) {
	g := New(Config{ParkAfter: -1})
	defer g.Close()
	var mu sync.Mutex // guards got
	var got []uint64
	a := NewAccount("a", decide(func(ask *policy.Ask) policy.Verdict {
		runtime.Gosched()
		mu.Lock()
		defer mu.Unlock()
		got = append(got, ask.Event.Conn)
		return policy.Verdict{Action: abi.ActionDefault}
	}), nil, policy.Timeouts{}, policy.Limits{})
	tape := new(placed)
	a.SetTape(tape)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				c := g.Govern(void{}, a, abi.SideAccepted)
				if err := c.Admit(nil); err != nil {
					t.Error(err)
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	if len(got) != 800 || !slices.Equal(got, tape.order) {
		t.Errorf("%d questions, recorded in another order than asked", len(got))
	}
}
