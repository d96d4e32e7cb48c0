package neighbour

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Traffic is connections of one tenant. Each makes a request, stays idle for
// its policy to be asked about it, makes another request or is opened anew, and
// so on.
type Traffic struct {
	Addr  string // of the host
	Host  string // of the tenant
	Conns int
	// Stay is how long a connection is idle between requests, on average.
	// 0: each is opened anew after every answer.
	Stay time.Duration
	// Over is how long it takes until all have begun.
	Over time.Duration

	stop    context.CancelFunc
	running sync.WaitGroup

	opened, answered, failed atomic.Int64
	first                    atomic.Pointer[failure]
}

// failure is why a request had no answer.
type failure struct{ err error }

// Counts is what Traffic has done.
type Counts struct{ Opened, Answered, Failed int64 }

// Err returns what the first request failed of; nil: none did.
func (t *Traffic) Err() error {
	if f := t.first.Load(); f != nil {
		return f.err
	}
	return nil
}

// fail notes a request that had no answer.
func (t *Traffic) fail(err error) {
	t.failed.Add(1)
	t.first.CompareAndSwap(nil, &failure{err})
}

// Start begins. Stop ends it.
func (t *Traffic) Start() {
	var ctx context.Context
	ctx, t.stop = context.WithCancel(context.Background())
	begun := time.Now()
	for i := range t.Conns {
		t.running.Go(func() {
			pause(ctx, begun.Add(t.Over*time.Duration(i)/time.Duration(t.Conns)))
			for ctx.Err() == nil {
				t.visit(ctx)
			}
		})
	}
}

// Stop closes every connection, and waits until they are.
func (t *Traffic) Stop() Counts {
	t.stop()
	t.running.Wait()
	return t.Counts()
}

// Counts tells what has been done so far.
func (t *Traffic) Counts() Counts {
	return Counts{t.opened.Load(), t.answered.Load(), t.failed.Load()}
}

// visit is the life of a connection.
func (t *Traffic) visit(ctx context.Context) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		if ctx.Err() == nil {
			t.fail(err)
		}
		pause(ctx, time.Now().Add(100*time.Millisecond))
		return
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	t.opened.Add(1)
	c := &conn{nc: nc, r: bufio.NewReader(nc)}
	requests := 1 + rand.IntN(2)
	for made := range requests {
		sent := time.Now()
		if err := c.get(t.Host); err != nil {
			if ctx.Err() == nil {
				t.fail(fmt.Errorf("request %d of a connection, after %v: %w", made+1, time.Since(sent), err))
				pause(ctx, time.Now().Add(10*time.Millisecond))
			}
			return
		}
		t.answered.Add(1)
		if !t.linger(c) {
			return
		}
	}
}

// linger is idle for a while, and reports whether the host has left the
// connection open.
func (t *Traffic) linger(c *conn) bool {
	if t.Stay == 0 {
		return false
	}
	c.nc.SetReadDeadline(time.Now().Add(t.Stay/2 + rand.N(t.Stay)))
	_, err := c.r.Peek(1)
	c.nc.SetReadDeadline(time.Time{})
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}
