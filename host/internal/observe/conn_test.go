package observe

import (
	"net"
	"testing"

	"idlehost/host/internal/idle"
	"idlehost/sdk/abi"
)

// open governs one end of a TCP connection until end is called.
func open(t *testing.T, g *idle.Governor, a *idle.Account) (c *idle.Conn, end func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c = g.Govern(near, a, abi.SideAccepted)
	return c, func() {
		c.Close()
		far.Close()
	}
}
