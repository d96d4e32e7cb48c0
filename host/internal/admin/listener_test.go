package admin

import (
	"net"
	"sync"
	"testing"
)

// TestConnectionsAreBounded: for one peer, and for all.
func TestConnectionsAreBounded(t *testing.T) {
	l := newListener(nil)
	for i := range maxPeerConns {
		if !l.enter("192.0.2.1") {
			t.Fatalf("connection %d of a peer is refused", i+1)
		}
	}
	if l.enter("192.0.2.1") {
		t.Error("one more of the peer is let in")
	}
	for i := maxPeerConns; i < maxConns; i++ {
		if !l.enter("192.0.2." + string(rune('a'+i%8))) {
			t.Fatalf("connection %d of all is refused", i+1)
		}
	}
	if l.enter("192.0.2.9") {
		t.Error("one more of all is let in")
	}
	if l.leave("192.0.2.1"); !l.enter("192.0.2.9") {
		t.Error("a place that is free is not given")
	}
}

// TestPlacesAreFreeAgain, however often a connection is closed.
func TestPlacesAreFreeAgain(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := newListener(inner)
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
	for range 200 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			group.Go(func() { c.Close() })
		}
	}
	clients.Wait()
	group.Wait()
	if len(l.peers) != 1 || l.peers[""] != 0 {
		t.Errorf("places taken: %v", l.peers)
	}
}
