package proxy

import (
	"net"
	"testing"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// ahead is TLS that has read a request already.
type ahead struct {
	net.Conn
	request string
}

func (a *ahead) Read(p []byte) (int, error) { return copy(p, a.request), nil }

// TestARequestThatWasReadAheadIsFasterThanTheEnd: when the host has decided to
// end the connection, and the server has the first bytes of the next request
// from TLS's buffer, or from its own, its background read does not fail.
func TestARequestThatWasReadAheadIsFasterThanTheEnd(t *testing.T) {
	for name, first := range map[string]func(*conn) error{
		"by TLS": func(c *conn) error {
			_, err := c.Read(make([]byte, 4<<10))
			return err
		},
		"by the server": func(c *conn) error { return c.SetReadDeadline(time.Time{}) },
	} {
		t.Run(name, func(t *testing.T) {
			gov := idle.New(idle.Config{})
			defer gov.Close()
			inner, peer := testnet.Pipe(1 << 10)
			defer peer.Close()
			account := idle.NewAccount("a", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})
			governed := gov.Govern(inner, account, abi.SideAccepted)
			defer governed.Close()
			if err := governed.Admit(nil); err != nil {
				t.Fatal(err)
			}
			c := &conn{
				Conn: &ahead{governed, "GET / HTTP/1.1\r\n"}, idle: governed,
				proxy: &Proxy{never: time.Now().Add(idleTimeout / 2)}, stay: new(stay),
			}
			c.SetReadDeadline(time.Now().Add(idleTimeout)) // it waits for a request
			governed.Shut(policy.ReasonPolicy)
			if err := first(c); err != nil {
				t.Fatal(err)
			}
			if _, ending := governed.Ending(); ending {
				t.Error("the end is not taken back")
			}
			if c.stay.resting {
				t.Error("it waits for a request still")
			}
			peer.Write([]byte("x"))
			if n, err := governed.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Errorf("the background read: %d, %v", n, err)
			}
		})
	}
}
