package proxy_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy"
	"idlehost/host/internal/proxy/route"
)

// slowEnds is an observer that takes a second to hear of an end.
type slowEnds struct {
	ends
	heard bool // read once Close has returned
}

func (o *slowEnds) Ended(e *idle.End) {
	time.Sleep(time.Second)
	o.ends.Ended(e)
	o.heard = true
}

// TestCloseWaitsForEnds: when Close returns, the end of every connection has
// been observed, also of those that somebody else was closing: the goroutine of
// net/http, which its Close does not wait for, or the shard's.
func TestCloseWaitsForEnds(t *testing.T) {
	for name, begin := range map[string]func(net.Conn){
		"net/http closes": func(c net.Conn) {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
		},
		"the client closes": func(c net.Conn) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			dropPools()
			defer dropPools()
			synctest.Test(t, func(t *testing.T) {
				seen := &slowEnds{}
				gov := idle.New(idle.Config{Shards: 1, Granularity: tick, Linger: -1, Observer: seen})
				ln := &memory{conns: make(chan net.Conn), done: make(chan struct{})}
				p, err := proxy.New(proxy.Config{
					Governor: gov, Listeners: []proxy.Listener{{Listener: ln, Name: "memory"}}, Logger: slog.New(slog.DiscardHandler),
					Router: one{target{
						account: idle.NewAccount("test", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{}),
						site:    &route.Site{Local: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})},
					}},
				})
				if err != nil {
					t.Fatal(err)
				}
				served := make(chan struct{})
				go func() { defer close(served); p.Serve(context.Background()) }()
				begin(ln.dial())
				synctest.Wait() // the end is being told
				p.Close()
				if n := gov.Open(); n != 0 || !seen.heard {
					t.Errorf("%d connections are open, end observed: %v", n, seen.heard)
				}
				<-served
				gov.Close()
			})
		})
	}
}
