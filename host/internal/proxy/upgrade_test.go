package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

func TestWebSocket(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run("to-"+scheme, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				r := start(t, setup{mode: m, scheme: scheme, server: http.HandlerFunc(echoSocket)})
				ctx, cancel := context.WithTimeout(context.Background(), testnet.Patience)
				defer cancel()
				c, _, err := websocket.Dial(ctx, strings.Replace(r.url, "http", "ws", 1), &websocket.DialOptions{HTTPClient: r.client})
				if err != nil {
					t.Fatalf("%v\n%s", err, r.log)
				}
				defer c.CloseNow()
				for _, size := range []int{1, 125, 30000} {
					text := strings.Repeat("x", size)
					if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
						t.Fatal(err)
					}
					if _, b, err := c.Read(ctx); err != nil || string(b) != text {
						t.Fatalf("%d bytes back of %d, %v", len(b), size, err)
					}
				}
				sides := map[policy.Side]bool{}
				r.gov.Each(func(c *idle.Conn) bool {
					if c.Phase() != abi.PhaseTunnel || c.Protocol() != abi.ProtocolWebSocket {
						t.Errorf("%v connection is %v in phase %v", c.Side(), c.Protocol(), c.Phase())
					}
					sides[c.Side()] = true
					return true
				})
				if len(sides) != 2 {
					t.Errorf("governed sides: %v", sides)
				}
				if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
					t.Errorf("close handshake: %v", err)
				}
				eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
			}, h1, h1s)
		})
	}
}

func echoSocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		typ, b, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), typ, b) != nil {
			return
		}
	}
}

// upgradeTo answers 101 and hands over the connection.
func upgradeTo(protocol string, f func(net.Conn, *bufio.Reader)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, brw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
		f(c, brw.Reader)
	})
}

func TestAnyUpgradePassesWithHalfClose(t *testing.T) {
	r := start(t, setup{mode: h1, server: upgradeTo("shout", func(c net.Conn, b *bufio.Reader) {
		all, _ := io.ReadAll(b) // until the client half closes
		io.WriteString(c, strings.ToUpper(string(all)))
	})})
	c := r.dial(h1).(*net.TCPConn)
	// The first words come with the request, before the answer.
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nearly ")
	b := bufio.NewReader(c)
	res, err := http.ReadResponse(b, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "shout" {
		t.Fatalf("answer %v, %v; want 101 to shout", res, err)
	}
	io.WriteString(c, "and late")
	c.CloseWrite()
	eventually(t, "half closed", func() bool { return r.gov.Open() == 0 || inPhase(r, abi.PhaseHalfClosed) == 2 })
	if got, err := io.ReadAll(b); string(got) != "EARLY AND LATE" || err != nil {
		t.Errorf("read %q, %v; want \"EARLY AND LATE\"", got, err)
	}
	eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
}

func inPhase(r *rig, p policy.Phase) (n int) {
	r.gov.Each(func(c *idle.Conn) bool {
		if c.Phase() == p {
			n++
		}
		return true
	})
	return n
}

func TestUpgradeToAnotherProtocolIsRefused(t *testing.T) {
	r := start(t, setup{mode: h1, server: upgradeTo("whisper", func(net.Conn, *bufio.Reader) {})})
	c := r.dial(h1)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 502 {
		t.Fatalf("answer %v, %v; want 502", res, err)
	}
}

func TestUpgradeThatIsDeclined(t *testing.T) {
	r := start(t, setup{mode: h1, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "plain "+r.Header.Get("Upgrade"))
	})})
	req := r.request("GET", "/", nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "shout")
	for range 2 {
		if b, err := io.ReadAll(r.do(req).Body); string(b) != "plain shout" || err != nil {
			t.Errorf("content %q, %v; want \"plain shout\"", b, err)
		}
	}
}

func TestTunnelEndsByPolicyOnBothSides(t *testing.T) {
	var l policy.Timeouts
	l[abi.PhaseTunnel].Idle = 30 * time.Millisecond
	gone := make(chan struct{})
	r := start(t, setup{mode: h1, law: l, dialled: l, server: upgradeTo("shout", func(c net.Conn, b *bufio.Reader) {
		io.Copy(io.Discard, b)
		close(gone)
	})})
	c := r.dial(h1)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
	b := bufio.NewReader(c)
	if _, err := http.ReadResponse(b, nil); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, b) // ends when the proxy ends it
	<-gone
	eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
}
