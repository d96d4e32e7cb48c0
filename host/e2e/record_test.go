package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/lab/study"
)

// TestReplayDecidesAsTheHostDid records clients of several habits, over HTTP/1
// and HTTP/2, for some seconds of their time, and replays the recording with the
// same policy: every decision must be the same. That the recording holds it all
// is seen by the metrics.
func TestReplayDecidesAsTheHostDid(t *testing.T) {
	for _, policy := range [][]string{
		{"--plugin", "adaptive", "--plugin-config", "worth=3s"},
		{"--plugin", "fixed", "--plugin-config", "timeout=400ms"},
	} {
		t.Run(policy[1], func(t *testing.T) {
			t.Parallel()
			agree(t, policy)
		})
	}
}

func agree(t *testing.T, policy []string) {
	file := filepath.Join(t.TempDir(), "live.trace")
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	h := hosttest.StartHost(t, path, append([]string{"--record", file}, policy...)...)
	frequent(t, h.URL("http", "/"), 10*time.Second)
	asked := h.Metric(t, "host_policy_asks_total")
	h.Signal(t, syscall.SIGTERM)
	if code := h.Exit(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	spec := policy[1] + ":" + policy[3]
	var s study.Study
	if err := json.Unmarshal([]byte(hosttest.Run(t, path, "replay", "--trace", file, "--policy", spec, "--json")), &s); err != nil {
		t.Fatal(err)
	}
	a := s.Policies[0].Agreement
	switch {
	case a == nil:
		t.Fatal("the recording does not say that this policy decided")
	case a.Same != a.Recorded || float64(a.Recorded) < asked || a.Recorded < 24: // an accept of each client
		t.Errorf("of %d recorded decisions %d are the same (asked at least %v): %s", a.Recorded, a.Same, asked, a.First)
	}
	if s.Trace.Lost != 0 {
		t.Errorf("%d records lost", s.Trace.Lost)
	}
	t.Logf("%d decisions about %d connections", a.Recorded, s.Trace.Connections)
}

// frequent has clients with habits come to url until it is over.
func frequent(t *testing.T, url string, long time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var clients sync.WaitGroup
	defer clients.Wait()
	for i := range 24 {
		clients.Go(func() { habit(ctx, t, url, i) })
	}
}

// habit is a client, with an address of its own, that makes a request after gaps around 20 ms to 2.5 s.
func habit(ctx context.Context, t *testing.T, url string, i int) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i))}}
	tr := &http.Transport{MaxIdleConnsPerHost: 1, DialContext: dialer.DialContext}
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP1(i%3 != 0)
	tr.Protocols.SetUnencryptedHTTP2(i%3 == 0)
	defer tr.CloseIdleConnections()
	around := 20 * time.Millisecond << (i % 8)
	for r := rand.New(rand.NewPCG(uint64(i), 5)); ; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?%d", url, i), nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := tr.RoundTrip(req)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil && ctx.Err() == nil {
				t.Errorf("client %d: %v", i, err)
			}
		default: // on a busy machine a new connection may idle for too long before its first request
		}
		select {
		case <-time.After(around/2 + time.Duration(r.Int64N(int64(around)))):
		case <-ctx.Done():
			return
		}
	}
}
