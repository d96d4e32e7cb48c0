package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// asleep waits until n connections are parked and nothing of the proxy runs
// for them.
func (r *rig) asleep(n int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("%d connections parked", n), func() bool { return r.gov.Parked() == n })
	eventually(r.t, "no goroutine for a tunnel", func() bool {
		buf := make([]byte, 4<<20)
		s := string(buf[:runtime.Stack(buf, true)])
		return !strings.Contains(s, "internal/proxy/tunnel.") && !strings.Contains(s, "internal/proxy/httpproxy.")
	})
}

func TestWebSocketAcrossParks(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run("to-"+scheme, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				r := start(t, setup{mode: m, scheme: scheme, server: http.HandlerFunc(echoSocket), park: time.Millisecond})
				ctx, cancel := context.WithTimeout(context.Background(), testnet.Patience)
				defer cancel()
				c, _, err := websocket.Dial(ctx, strings.Replace(r.url, "http", "ws", 1), &websocket.DialOptions{HTTPClient: r.client})
				if err != nil {
					t.Fatalf("%v\n%s", err, r.log)
				}
				defer c.CloseNow()
				for i := range 10 {
					r.asleep(2)
					text := strings.Repeat("x", 1+i*i*i*30)
					if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
						t.Fatal(err)
					}
					if _, b, err := c.Read(ctx); err != nil || string(b) != text {
						t.Fatalf("%d bytes back of %d, %v", len(b), len(text), err)
					}
				}
				r.asleep(2)
				pong := make(chan error, 1)
				go func() { pong <- c.Ping(ctx) }()
				ctx2 := c.CloseRead(ctx) // reads the pong
				if err := <-pong; err != nil {
					t.Error(err)
				}
				r.asleep(2)
				if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
					t.Errorf("close handshake: %v", err)
				}
				<-ctx2.Done()
				eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
			}, h1, h1s)
		})
	}
}

// shout is what clients here ask for.
const shout = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"

// TestWordsAroundTheUpgrade: both sides speak without waiting for each other,
// so that what they say lies in buffers of net/http when the tunnel begins.
func TestWordsAroundTheUpgrade(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		run(t, func(t *testing.T, m mode) {
			r := start(t, setup{mode: m, scheme: scheme, park: time.Millisecond, server: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				c, brw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				defer c.Close()
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nwelcome ")
				b := make([]byte, len("early late"))
				io.ReadFull(brw, b)
				c.Write(b)
			})})
			c := r.dial(m)
			io.WriteString(c, shout+"early ")
			b := bufio.NewReader(c)
			if res, err := http.ReadResponse(b, nil); err != nil || res.StatusCode != 101 {
				t.Fatalf("answer %v, %v; want 101", res, err)
			}
			r.asleep(2)
			io.WriteString(c, "late")
			if got, err := io.ReadAll(b); string(got) != "welcome early late" || err != nil {
				t.Errorf("read %q, %v; want \"welcome early late\"", got, err)
			}
			c.Close()
			eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
		}, h1, h1s)
	}
}

func TestSwitchThatNobodyAskedFor(t *testing.T) {
	for name, request := range map[string]string{
		"unasked":      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"mid-content":  strings.Replace(shout, "GET", "POST", 1)[:len(shout)-1] + "Content-Length: 5\r\n\r\n",
		"wrong-letter": strings.Replace(shout, "shout", "sh0ut", 1),
	} {
		t.Run(name, func(t *testing.T) {
			addr := deaf(t, func(c net.Conn) {
				defer c.Close()
				b := bufio.NewReader(c)
				if _, err := http.ReadRequest(b); err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
				io.Copy(io.Discard, b)
			})
			r := start(t, setup{mode: h1, targets: []string{"http://" + addr}})
			c := r.dial(h1)
			io.WriteString(c, request)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != 502 {
				t.Fatalf("answer %v, %v; want 502", res, err)
			}
			c.Close()
			eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
		})
	}
}

// upgraded opens a tunnel and reads the answer of status 101.
func (r *rig) upgraded(m mode) (net.Conn, *bufio.Reader) {
	r.t.Helper()
	c := r.dial(m)
	io.WriteString(c, shout)
	b := bufio.NewReader(c)
	if res, err := http.ReadResponse(b, nil); err != nil || res.StatusCode != 101 {
		r.t.Fatalf("answer %v, %v; want 101", res, err)
	}
	return c, b
}

func echoes(c net.Conn, b *bufio.Reader) { io.Copy(c, b) }

func TestManyTunnelsSleepAndTheProxyCloses(t *testing.T) {
	const n = 200
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, park: time.Millisecond, server: upgradeTo("shout", echoes)})
		var conns []net.Conn
		var readers []*bufio.Reader
		for range n {
			c, b := r.upgraded(m)
			conns, readers = append(conns, c), append(readers, b)
		}
		r.asleep(2 * n)
		for i, c := range conns {
			fmt.Fprintf(c, "tunnel %d\n", i)
		}
		for i, b := range readers {
			if got, err := b.ReadString('\n'); got != fmt.Sprintf("tunnel %d\n", i) || err != nil {
				t.Fatalf("read %q, %v; want tunnel %d", got, err, i)
			}
		}
		r.asleep(2 * n)
		r.end() // checks for goroutines that stay
		for _, b := range readers {
			if got, _ := io.ReadAll(b); len(got) != 0 {
				t.Fatalf("read %q, want an end", got)
			}
		}
		if r.gov.Open() != 0 || r.gov.Parked() != 0 {
			t.Errorf("%d open, %d parked", r.gov.Open(), r.gov.Parked())
		}
	}, h1, h1s)
}

func TestParkedRelayEndsByPolicy(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		gone := make(chan struct{})
		addr := deaf(t, func(c net.Conn) { io.Copy(c, c); c.Close(); close(gone) })
		r := start(t, setup{
			mode: m, tcp: true, targets: []string{"tcp://" + addr}, park: time.Millisecond,
			law: law(abi.PhaseTunnel, policy.Timeout{Idle: 100 * time.Millisecond}),
		})
		c := r.dial(m)
		io.WriteString(c, "hello")
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
			t.Fatalf("read %q, %v; want hello", b, err)
		}
		eventually(t, "parked", func() bool { return r.gov.Parked() == 2 || r.gov.Open() == 0 })
		// Over TLS an end without close_notify would be io.ErrUnexpectedEOF.
		if got, err := io.ReadAll(c); len(got) != 0 || err != nil {
			t.Errorf("%q, %v; want an end", got, err)
		}
		<-gone
		eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
	}, h1, h1s)
}
