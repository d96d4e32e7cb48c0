package e2e

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"idlehost/host/e2e/hosttest"
)

// echo sends every message back; "bye" makes the server close.
func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"echo"}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(4 << 20)
	for {
		kind, p, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if string(p) == "bye" {
			c.Close(4242, "as you wish")
			return
		}
		if err := c.Write(r.Context(), kind, p); err != nil {
			return
		}
	}
}

func TestWebSocket(t *testing.T) {
	back := newBackend(t)
	back.mux.HandleFunc("/ws", echo)
	cert := newCertificate(t)
	for scheme, h := range map[string]*hosttest.Host{
		"ws":  startHost(t, back.url("http")),
		"wss": startHost(t, back.url("http"), cert.flags()...),
	} {
		t.Run(scheme, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), hosttest.Patience)
			defer cancel()
			transport := &http.Transport{TLSClientConfig: cert.client()}
			c, _, err := websocket.Dial(ctx, h.URL(scheme, "/ws"), &websocket.DialOptions{
				HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"echo"},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if c.Subprotocol() != "echo" {
				t.Errorf("subprotocol %q, want echo", c.Subprotocol())
			}
			c.SetReadLimit(4 << 20)
			for _, size := range []int{0, 1, 125, 126, 70_000, 2 << 20} {
				sent := bytes.Repeat([]byte{'x'}, size)
				if err := c.Write(ctx, websocket.MessageBinary, sent); err != nil {
					t.Fatal(err)
				}
				if _, got, err := c.Read(ctx); err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("echo of %d bytes: %d bytes, %v", size, len(got), err)
				}
			}
			if n := h.Metric(t, "host_idle_open_connections", `protocol="websocket"`, `phase="tunnel"`); n != 2 {
				t.Errorf("%v connections in phase tunnel, want one to the client and one to the upstream", n)
			}
			if err := c.Write(ctx, websocket.MessageText, []byte("bye")); err != nil {
				t.Fatal(err)
			}
			_, _, err = c.Read(ctx)
			var closed websocket.CloseError
			if !errors.As(err, &closed) || closed.Code != 4242 || closed.Reason != "as you wish" {
				t.Errorf("close: %v, want code 4242", err)
			}
			hosttest.Until(t, "both connections of the tunnel end", func() bool {
				return h.Metric(t, "host_idle_open_connections", `protocol="websocket"`) == 0
			})
		})
	}
}
