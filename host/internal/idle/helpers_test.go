package idle

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// TestMain fails when a test leaves a goroutine of this package behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && !testnet.Holds(func() bool { return !strings.Contains(stacks(), "internal/idle.(*") }) {
		fmt.Println("goroutines left behind:\n" + stacks())
		code = 1
	}
	os.Exit(code)
}

func stacks() string {
	buf := make([]byte, 1<<20)
	s := string(buf[:runtime.Stack(buf, true)])
	_, others, _ := strings.Cut(s, "\n\n") // the first is our own
	return others
}

// decide is a policy.Policy made of a function.
type decide func(*policy.Ask) policy.Verdict

func (f decide) Decide(a *policy.Ask) policy.Verdict { return f(a) }

func native(*policy.Ask) policy.Verdict { return policy.Verdict{} }

// log is an Observer that remembers.
type log struct {
	mu   sync.Mutex
	ends []End
	late []bool
	gaps []time.Duration
	back []time.Duration // of clients that returned
	asks int
}

func (l *log) Asked(*Account, *policy.Ask, policy.Verdict, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asks++
}

func (l *log) Reused(_ *Account, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps = append(l.gaps, d)
}

func (l *log) Returned(_ *Account, client uint64, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back = append(l.back, d)
}

func (l *log) Late(_ *Account, _ uint64, _ time.Duration, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = append(l.late, lost)
}

func (l *log) Ended(e *End) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, *e)
}

// end returns the record of the only connection that has ended.
func (l *log) end(t *testing.T) End {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ends) != 1 {
		t.Fatalf("%d connections have ended, want 1", len(l.ends))
	}
	return l.ends[0]
}

func (l *log) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ends)
}

// bench is a Governor, an account and one connection with its far end.
type bench struct {
	*testing.T
	gov  *Governor
	log  *log
	acct *Account
	conn *Conn
	peer *testnet.Conn
}

var testTimeouts = policy.Timeouts{
	abi.PhaseHandshake:  {Max: 10 * time.Second},
	abi.PhaseHeader:     {Idle: 10 * time.Second, Max: 30 * time.Second},
	abi.PhaseBody:       {Idle: 60 * time.Second, MinRate: 240, Grace: 30 * time.Second},
	abi.PhaseWrite:      {Idle: 60 * time.Second, MinRate: 240, Grace: 30 * time.Second},
	abi.PhaseIdle:       {Idle: 75 * time.Second},
	abi.PhaseStreamIdle: {Idle: 180 * time.Second},
	abi.PhaseTunnel:     {Idle: time.Hour},
	abi.PhaseHalfClosed: {Idle: time.Minute},
}

// bubble runs f in a synctest bubble with an admitted HTTP/1 connection.
func bubble(t *testing.T, d decide, limits policy.Limits, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, log: &log{}}
		b.gov = New(Config{Shards: 1, Observer: b.log})
		defer b.gov.Close()
		b.acct = NewAccount("acme", d, nil, testTimeouts, limits)
		b.open(abi.SideAccepted)
		defer func() {
			b.conn.Close()
			b.peer.Close()
			time.Sleep(time.Second) // lingering ones too
		}()
		f(b)
	})
}

func (b *bench) open(side policy.Side) {
	near, far := testnet.Pipe(64 << 10)
	b.conn, b.peer = b.gov.Govern(near, b.acct, side), far
	b.conn.SetProtocol(abi.ProtocolHTTP1)
	if err := b.conn.Admit(nil); err != nil {
		b.Fatal(err)
	}
}

// serve reads in the background as net/http does, and closes at an error.
func (b *bench) serve() {
	c := b.conn
	go func() {
		p := make([]byte, 4096)
		for {
			if _, err := c.Read(p); err != nil {
				c.Close()
				return
			}
		}
	}()
}

// aliveFor asserts that the connection is open one nanosecond before d has
// passed and ended at d.
func (b *bench) aliveFor(d time.Duration) {
	b.Helper()
	time.Sleep(d - 1)
	synctest.Wait()
	if r, ok := b.conn.Ending(); ok {
		b.Fatalf("ended (%v) before %v", r, d)
	}
	time.Sleep(1)
	synctest.Wait()
	if _, ok := b.conn.Ending(); !ok {
		b.Fatalf("alive at %v", d)
	}
}

// send writes from the far end.
func (b *bench) send(n int) {
	b.Helper()
	if _, err := b.peer.Write(make([]byte, n)); err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
}

// pass lets time pass in the bubble.
func (b *bench) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
