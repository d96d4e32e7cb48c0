package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
)

// traffic is a number of connections that never open anew: whatever ends one
// is a failure.
type traffic struct {
	t    *testing.T
	stop chan struct{}
	wg   sync.WaitGroup
	good atomic.Int64 // answers
	open int          // connections

	mu     sync.Mutex // guards the following
	failed []error
}

// use has an asker ask for a's host until the end, with pauses. Long ones have
// the connection park.
func (f *traffic) use(name string, pause time.Duration, ask func() error) {
	f.open++
	f.wg.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			if err := ask(); err != nil {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.failed = append(f.failed, fmt.Errorf("%s, every %v: %w", name, pause, err))
				return
			}
			f.good.Add(1)
			select {
			case <-tick.C:
			case <-f.stop:
				return
			}
		}
	})
}

// end stops all and fails the test if an answer did not come.
func (f *traffic) end() {
	f.t.Helper()
	close(f.stop)
	f.wg.Wait()
	if err := errors.Join(f.failed...); err != nil {
		f.t.Errorf("%d of %d connections failed, with %d answers on all:\n%v", len(f.failed), f.open, f.good.Load(), err)
	}
}

// wants makes an error of every answer but one.
func wants(want string, ask asker) func() error {
	return func() error {
		if got := ask("a.example"); got != want {
			return fmt.Errorf("%s in place of %s", got, want)
		}
		return nil
	}
}

// startTraffic opens connections of every kind to tenant a, in clear and over
// TLS: some are busy, and some are parked most of the time.
func startTraffic(t *testing.T, clear, secure string, cert certificate) *traffic {
	t.Helper()
	f := &traffic{t: t, stop: make(chan struct{})}
	clients := 0
	from := func() string { // every connection is another client's
		clients++
		return fmt.Sprintf("127.0.3.%d", clients)
	}
	shake := func(protocol string) net.Conn {
		config := cert.client()
		config.ServerName, config.NextProtos = "a.example", []string{protocol}
		c := tls.Client(connect(t, from(), secure), config)
		if err := c.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, pause := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 700 * time.Millisecond, 2 * time.Second} {
		f.use("HTTP/1", pause, wants("a", askOn(connect(t, from(), clear))))
		f.use("HTTP/2", pause, wants("a", askH2On(t, connect(t, from(), clear))))
		f.use("HTTP/1 over TLS", pause, wants("a", askOn(shake("http/1.1"))))
		f.use("HTTP/2 over TLS", pause, wants("a", askH2On(t, shake(http2.NextProtoTLS))))
		f.use("WebSocket", pause, chat(t, connect(t, from(), clear)))
	}
	return f
}

// chat opens a WebSocket on a connection, that echoes.
func chat(t *testing.T, nc net.Conn) func() error {
	t.Helper()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nc, nil }}
	c, _, err := websocket.Dial(t.Context(), "ws://a.example/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return func() error {
		if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			return err
		}
		if _, p, err := c.Read(t.Context()); err != nil || string(p) != "hello" {
			return fmt.Errorf("%q, %w", p, err)
		}
		return nil
	}
}
