package proxy_test

import (
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func TestRelayLosesNothing(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		const size = 8 << 20
		sum := make(chan [32]byte, 1)
		addr := deaf(t, func(c net.Conn) {
			defer c.Close()
			io.WriteString(c, "220 server first\r\n")
			h := sha256.New()
			io.Copy(h, c) // until the client half closes
			sum <- [32]byte(h.Sum(nil))
			io.Copy(c, io.LimitReader(rand.Reader, size))
		})
		r := start(t, setup{mode: m, tcp: true, targets: []string{"tcp://" + addr}})
		c := r.dial(m)
		greeting := make([]byte, 18)
		if _, err := io.ReadFull(c, greeting); err != nil || string(greeting) != "220 server first\r\n" {
			t.Fatalf("read %q, %v; want the server's greeting", greeting, err)
		}
		h := sha256.New()
		if _, err := io.Copy(c, io.TeeReader(io.LimitReader(rand.Reader, size), h)); err != nil {
			t.Fatal(err)
		}
		c.(interface{ CloseWrite() error }).CloseWrite()
		if got := <-sum; got != [32]byte(h.Sum(nil)) {
			t.Error("the upstream received something else")
		}
		if n, err := io.Copy(io.Discard, c); n != size || err != nil {
			t.Errorf("%d bytes back of %d, %v", n, size, err)
		}
		eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
	}, h1, h1s)
}

func TestRelayWithoutUpstreamCloses(t *testing.T) {
	for _, targets := range [][]string{nil, {"tcp://" + nowhere(t)}, {"http://127.0.0.1:1"}} {
		r := start(t, setup{mode: h1, tcp: true, targets: targets})
		if b, _ := io.ReadAll(r.dial(h1)); len(b) != 0 {
			t.Errorf("%v: read %q, want an end", targets, b)
		}
		eventually(t, "a line", func() bool { return strings.Contains(r.log.String(), "upstream failed") })
		r.end()
	}
}

func TestRelayTriesTheNextTarget(t *testing.T) {
	addr := deaf(t, func(c net.Conn) { io.WriteString(c, "hello"); c.Close() })
	r := start(t, setup{mode: h1, tcp: true, targets: []string{"tcp://" + nowhere(t), "tcp://" + addr}})
	for range 4 {
		if b, err := io.ReadAll(r.dial(h1)); string(b) != "hello" || err != nil {
			t.Errorf("read %q, %v; want hello", b, err)
		}
	}
}

func TestRelayEndsByPolicyOnBothSides(t *testing.T) {
	for _, side := range []policy.Side{abi.SideAccepted, abi.SideDialled} {
		t.Run(side.String(), func(t *testing.T) {
			gone := make(chan struct{})
			addr := deaf(t, func(c net.Conn) { io.Copy(io.Discard, c); c.Close(); close(gone) })
			s := setup{mode: h1, tcp: true, targets: []string{"tcp://" + addr}}
			l := law(abi.PhaseTunnel, policy.Timeout{Idle: 20 * time.Millisecond})
			if side == abi.SideAccepted {
				s.law = l
			} else {
				s.dialled = l
			}
			r := start(t, s)
			c := r.dial(h1)
			io.Copy(io.Discard, c)
			<-gone
			eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
		})
	}
}

func TestRelayPassesAReset(t *testing.T) {
	ended := make(chan error, 1)
	addr := deaf(t, func(c net.Conn) {
		_, err := io.Copy(io.Discard, c)
		c.Close()
		ended <- err
	})
	r := start(t, setup{mode: h1, tcp: true, targets: []string{"tcp://" + addr}})
	c := r.dial(h1).(*net.TCPConn)
	io.WriteString(c, "x")
	eventually(t, "two connections", func() bool { return r.gov.Open() == 2 })
	c.SetLinger(0)
	c.Close()
	<-ended
	eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
}
