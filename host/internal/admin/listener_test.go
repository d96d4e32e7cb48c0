package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// waiter returns a connection of a peer that has sent nothing, with what its
// other end is told.
func waiter(l *listener, from string) (k *countedConn, gone func() bool) {
	near, far := net.Pipe()
	k = &countedConn{Conn: near, listener: l, from: from}
	return k, func() bool {
		far.SetReadDeadline(longAgo)
		_, err := far.Read(make([]byte, 1))
		return err != nil && !isTimeout(err)
	}
}

// TestConnectionsAreBounded: for one peer, and for all; who waits makes room
// for who comes, and who is served does not.
func TestConnectionsAreBounded(t *testing.T) {
	l := newListener(nil, 20, nil)
	defer l.reserve.close()
	var first []func() bool
	for range l.perPeer {
		k, gone := waiter(l, "192.0.2.1")
		if !l.add(k) {
			t.Fatal("a peer is refused before it has what it may")
		}
		first = append(first, gone)
	}
	k, _ := waiter(l, "192.0.2.1")
	if !l.add(k) || !first[0]() || first[1]() || l.peers["192.0.2.1"] != l.perPeer {
		t.Error("one more of the peer does not take the place of its oldest")
	}
	var served []*countedConn
	for i := l.perPeer; i < l.most; i++ {
		k, _ := waiter(l, fmt.Sprint("192.0.3.", i))
		if !l.add(k) {
			t.Fatal("a connection is refused while there is room")
		}
		l.connState(k, http.StateActive)
		served = append(served, k)
	}
	k, _ = waiter(l, "192.0.2.9")
	if !l.add(k) || !first[1]() || l.peers[""] != l.most {
		t.Error("one more of all does not take the place of who has most that wait")
	}
	for e := l.waiting.Front(); e != nil; e = l.waiting.Front() {
		l.connState(e.Value.(*countedConn), http.StateActive)
	}
	if k, _ = waiter(l, "192.0.2.10"); l.add(k) {
		t.Error("there is a place although all are served")
	}
	l.connState(served[0], http.StateIdle)
	if !l.add(k) || served[0].counted {
		t.Error("who has been served makes no room")
	}
	served[1].Close()
	if k, _ = waiter(l, "192.0.2.11"); !l.add(k) {
		t.Error("a place that is free is not given")
	}
}

// TestPlacesAreFreeAgain, however often a connection is closed, and by whom.
func TestPlacesAreFreeAgain(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newListener(inner, 50, nil)
	defer l.Close()
	var clients, group sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 50 {
				c, err := net.Dial("tcp", inner.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
			}
		})
	}
	for i := range 200 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() { l.connState(c, http.StateActive) })
		for range 2 {
			group.Go(func() {
				if i%2 == 0 {
					l.connState(c, http.StateIdle)
				}
				c.Close()
			})
		}
	}
	clients.Wait()
	group.Wait()
	if len(l.peers) > 1 || l.peers[""] != 0 || l.waiting.Len() != 0 {
		t.Errorf("places taken: %v, %d wait", l.peers, l.waiting.Len())
	}
}

// full is a listener that has no descriptor until somebody gives one up.
type full struct {
	net.Listener
	short atomic.Int32
	once  bool // it is closed after the next connection
}

func (f *full) Accept() (net.Conn, error) {
	if f.short.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	if f.once && f.short.Load() < -1 {
		return nil, net.ErrClosed
	}
	near, _ := net.Pipe()
	return near, nil
}

// TestAcceptsWithWhatWasKept when the process has no descriptor left.
func TestAcceptsWithWhatWasKept(t *testing.T) {
	relieved := 0
	inner := &full{}
	l := newListener(inner, 0, func() { relieved++ })
	inner.short.Store(2)
	c, err := l.Accept()
	if err != nil || relieved != 0 {
		t.Fatalf("%v, relieved %d times; two are kept", err, relieved)
	}
	if l.reserve.release() {
		t.Fatal("what was used is still there")
	}
	inner.short.Store(1)
	if _, err := l.Accept(); !exhausted(err) || relieved != 1 {
		t.Errorf("%v, relieved %d times; want the error, which net/http waits after", err, relieved)
	}
	if c.Close(); !l.reserve.release() {
		t.Error("a descriptor that was given back is not kept")
	}
	l.reserve.close()
	if l.reserve.fill(); l.reserve.release() {
		t.Error("a closed listener keeps descriptors")
	}
}

// TestWhoIsHungUpOnGivesBackWhatWasKept: a peer that has all its places in use
// does not use up what is kept for the others.
func TestWhoIsHungUpOnGivesBackWhatWasKept(t *testing.T) {
	inner := &full{}
	l := newListener(inner, 1, nil)
	defer l.reserve.close()
	busy, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l.connState(busy, http.StateActive)
	for range 3 { // each is hung up on
		inner.short.Store(1)
		inner.once = true
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
	}
	for i := range l.reserve.files {
		if !l.reserve.release() {
			t.Errorf("%d descriptors are kept, want %d", i, len(l.reserve.files))
		}
	}
}

var longAgo = time.Unix(1, 0)

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
