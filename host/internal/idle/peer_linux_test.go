package idle

import (
	"net/netip"
	"testing"
	"time"

	"idlehost/sdk/abi"
)

// A stripped connection asks the Conn, a woken one has a net.Conn of its own:
// both are the load balancer's.
func TestThePeerOutlivesSleep(t *testing.T) {
	g := parking(t, Config{StripAfter: time.Millisecond})
	c, far := sockets(t, g, account(), abi.SideAccepted)
	who := netip.MustParseAddrPort("192.0.2.7:4711")
	c.SetPeer(who)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := newSleeper()
		stripped(t, c, s)
		var st Status
		if c.Status(&st); c.RemoteAddr().String() != who.String() || st.Peer != who || !st.Parked {
			t.Errorf("stripped: %v, %+v", c.RemoteAddr(), st)
		}
		far.Write([]byte("GET"))
		s.wait(t, woken)
		if got := c.RemoteAddr().String(); got != who.String() {
			t.Errorf("woken: %s", got)
		}
		c.Read(make([]byte, 8))
		c.SetPhase(abi.PhaseIdle)
	}
}

// A connection that is parked changes hands as any other does.
func TestAParkedConnectionIsReassigned(t *testing.T) {
	g := parking(t, Config{StripAfter: time.Millisecond})
	lobby, shop := account(), account()
	c, far := admitted(t, g, lobby)
	s := newSleeper()
	stripped(t, c, s)
	if err := c.Reassign(shop); err != nil || shop.Open() != 1 || lobby.Open() != 0 {
		t.Fatalf("%v, %d and %d open", err, lobby.Open(), shop.Open())
	}
	far.Write([]byte("GET"))
	s.wait(t, woken)
	if n, err := c.Read(make([]byte, 8)); n != 3 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}
