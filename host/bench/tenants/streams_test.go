package tenants

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/api"
	"idlehost/plugins"
	"idlehost/sdk/abi"
)

const streamRounds = 7

// BenchmarkStreams tells what a request to one tenant takes, and how late a
// deadline of one second is, while another tenant has all told that can be told
// about its connections, and while it does nothing: in turns, so that the
// machine is as noisy for each. The ratios are the medians of those of each
// round.
//
//	go test -run '^$' -bench Streams -benchtime 1x -timeout 20m ./host/bench/tenants
//
// HOST=program measures another one.
func BenchmarkStreams(b *testing.B) {
	s := &street{secrets: map[string]string{}}
	which := program
	if other := os.Getenv("HOST"); other != "" {
		which = other
	}
	dir := b.TempDir()
	config := filepath.Join(dir, "host.toml")
	if err := os.WriteFile(config, []byte("[timeouts]\nidle = \"1s\"\nfloor = \"10ms\"\n[record]\ndir = \""+dir+"\"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	s.host = hosttest.StartHost(b, which, "--config", config, "--store", b.TempDir(), "--upstream", answering(b))
	s.api = dial(b, s.host)
	s.settle(b, "quiet", variant(b, "adaptive", 0))
	s.settle(b, "timed")
	s.promoteTimed(b)
	kinds := append([]string{none}, floods...)
	if only := os.Getenv("NEIGHBOUR"); only != "" {
		kinds = append([]string{none}, strings.Fields(only)...)
	}
	for _, kind := range kinds[1:] {
		var flags uint8
		if kind == logging {
			flags = abi.FlagLog
		}
		s.settle(b, kind, restless(flags))
	}
	s.fill(b)
	s.listen(b)
	s.watch(b, none) // warm up
	measured := map[string][]evening{}
	for n := range streamRounds {
		for i := range kinds {
			kind := kinds[(i+n)%len(kinds)]
			measured[kind] = append(measured[kind], s.watch(b, kind))
		}
	}
	for _, kind := range kinds {
		b.Run("neighbour="+kind, func(b *testing.B) {
			report(b, measured[kind], measured[none])
			var late []float64
			for _, e := range measured[kind] {
				late = append(late, float64(e.late.Microseconds())/1000)
			}
			b.ReportMetric(median(late), "late-ms")
		})
	}
}

// promoteTimed has idle connections of a tenant end after a second.
func (s *street) promoteTimed(b *testing.B) {
	wasm, ok := plugins.Lookup("fixed")
	if !ok {
		b.Fatal("no bundled policy is called fixed")
	}
	step := api.Step{Kind: api.StepPromote, Digest: push(b, s.api, "timed", wasm), Params: map[string]string{"idle": "1s"}}
	if _, err := s.api.Step(context.Background(), "timed", step, api.Precondition{}); err != nil {
		b.Fatal(err)
	}
}

// fill makes what some kinds read: an audit log of a thousand entries, and a
// recording.
func (s *street) fill(b *testing.B) {
	ctx := context.Background()
	if s.secrets[auditing] != "" {
		digest := push(b, s.api, auditing, smallOne(1))
		for i := range 1100 {
			step := api.Step{Kind: api.StepCanary, Digest: digest, Percent: float64(10 + i%2)}
			if _, err := s.api.Step(ctx, auditing, step, api.Precondition{}); err != nil {
				b.Fatal(err)
			}
		}
	}
	if s.secrets[fetching] != "" {
		if _, err := s.api.StartRecording(ctx, fetching, api.NewRecording{Sample: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

// watch measures while another tenant does something.
func (s *street) watch(b *testing.B, kind string) evening {
	begun, err := s.host.Sample("host_policy_asks_total", "tenant", kind)
	if err != nil {
		b.Fatal(err)
	}
	s.turnTo(b, kind, kind)
	if kind != none {
		hosttest.Until(b, "the attacker's policy is asked about idle connections", func() bool {
			n, err := s.host.Sample("host_policy_asks_total", "tenant", kind)
			return err == nil && n-begun >= 4*floodConns
		})
	}
	asked, err := s.host.Sample("host_policy_asks_total", "tenant", kind)
	if err != nil {
		b.Fatal(err)
	}
	before, err := s.host.Times()
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	var e evening
	var waiting sync.WaitGroup
	waiting.Go(func() { e.late = s.lateness(b) })
	took, err := pace(s.host.Addr, "quiet.example", neighbourConns, neighbourRate, neighbourAsks)
	if err != nil {
		b.Fatal(err)
	}
	waiting.Wait()
	after, err := s.host.Times()
	if err != nil {
		b.Fatal(err)
	}
	e.p50, e.p99 = quantile(took, 0.5), quantile(took, 0.99)
	seconds := time.Since(begin).Seconds()
	e.cpu = time.Duration(float64(after.Since(before)) / seconds)
	asks, err := s.host.Sample("host_policy_asks_total", "tenant", kind)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%s: p50 %v, p99 %v, %v late, %.2f processors, %.0f questions a second; answered %s",
		kind, e.p50, e.p99, e.late, e.cpu.Seconds(), (asks-asked)/seconds, s.turnTo(b, none, kind))
	return e
}

// lateness returns how late the latest of some idle connections is ended, whose
// time is a second.
func (s *street) lateness(b *testing.B) time.Duration {
	late := make([]time.Duration, 8)
	var all sync.WaitGroup
	for i := range late {
		all.Go(func() {
			var err error
			if late[i], err = endsLate(s.host.Addr, "timed.example"); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	return slices.Max(late)
}

func endsLate(addr, host string) (time.Duration, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	if _, err := fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		return 0, err
	}
	br := bufio.NewReader(nc)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	begin := time.Now()
	if _, err := br.ReadByte(); err != io.EOF {
		return 0, fmt.Errorf("an idle connection reads %v", err)
	}
	return time.Since(begin) - time.Second, nil
}
