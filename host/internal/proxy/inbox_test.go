package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/testnet"
)

// numbered is a connection that knows who put it, and when.
type numbered struct {
	net.Conn
	from, n int
}

func TestInboxKeepsTheOrder(t *testing.T) {
	const senders, each = 8, 2000
	b := newInbox()
	var wg sync.WaitGroup
	for from := range senders {
		wg.Go(func() {
			for n := range each {
				if !b.put(&numbered{from: from, n: n}) {
					t.Error("refused")
				}
			}
		})
	}
	var next [senders]int
	for range senders * each {
		nc, err := b.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := nc.(*numbered)
		if c.n != next[c.from] {
			t.Fatalf("connection %d of %d comes when %d is due", c.n, c.from, next[c.from])
		}
		next[c.from]++
	}
	wg.Wait()
	if cap(b.conns) > spare {
		t.Errorf("an empty inbox keeps %d places", cap(b.conns))
	}
}

func TestInboxEnds(t *testing.T) {
	b := newInbox()
	b.put(&numbered{n: 0})
	b.put(&numbered{n: 1})
	b.Accept()
	left := b.end()
	if len(left) != 1 || left[0].(*numbered).n != 1 {
		t.Errorf("left: %v, want the one that nobody took", left)
	}
	if b.put(&numbered{}) {
		t.Error("accepted after the end")
	}
	if _, err := b.Accept(); err != net.ErrClosed {
		t.Errorf("Accept: %v", err)
	}
}

// Whatever is put is taken, handed back by end, or refused: nothing is lost.
func TestInboxEndsWhileFilled(t *testing.T) {
	for range 20 {
		b := newInbox()
		var put, taken atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for b.put(&numbered{}) {
					put.Add(1)
				}
			})
		}
		wg.Go(func() {
			for {
				if _, err := b.Accept(); err != nil {
					return
				}
				taken.Add(1)
			}
		})
		testnet.Eventually(t, "ten are taken", func() bool { return taken.Load() >= 10 })
		left := b.end()
		wg.Wait()
		if n := taken.Load() + int32(len(left)); n != put.Load() {
			t.Fatalf("%d put, %d taken, %d left", put.Load(), taken.Load(), len(left))
		}
	}
}
