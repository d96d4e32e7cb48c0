package tenants

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
)

const (
	neighbourRounds = 9
	neighbourConns  = 8
	// neighbourRate is how many requests come in a second: few enough that they
	// seldom meet, since what they do to one another is not measured.
	neighbourRate = 500
	neighbourAsks = 1000 // a round
)

// rested is before a kind of assault by a tenant that has saved up all it can.
// Without it the tenant has attacked for long.
const rested = "rested-"

// BenchmarkNeighbour tells what a request to one tenant takes while another
// tenant uploads, or changes its rollout, in a loop, and while it does not: in
// turns, so that the machine is as noisy for each. The ratios are the medians of
// those of each round.
//
//	go test -run '^$' -bench Neighbour -benchtime 1x -timeout 20m ./host/bench/tenants
func BenchmarkNeighbour(b *testing.B) {
	s := newStreet(b)
	kinds := []string{none}
	for _, kind := range []string{small, large, dear, faulty, garbage, known, promote, percent} {
		kinds = append(kinds, kind, rested+kind)
	}
	if only := os.Getenv("NEIGHBOUR"); only != "" {
		kinds = append([]string{none}, strings.Fields(only)...)
	}
	s.drain(b, kinds)
	s.measure(b, none, -1) // warm up
	measured := map[string][]evening{}
	for n := range neighbourRounds {
		for i := range kinds {
			kind := kinds[(i+n)%len(kinds)]
			measured[kind] = append(measured[kind], s.measure(b, kind, n))
		}
	}
	for _, kind := range kinds {
		b.Run("neighbour="+kind, func(b *testing.B) { report(b, measured[kind], measured[none]) })
	}
}

// evening is what one round has measured.
type evening struct {
	p50, p99 time.Duration
	cpu      time.Duration // of the host, in a second
	late     time.Duration // the latest deadline; BenchmarkStreams has it
}

func report(b *testing.B, list, base []evening) {
	var p50, p99, r50, r99, cpu []float64
	for i, e := range list {
		p50, p99 = append(p50, float64(e.p50.Microseconds())), append(p99, float64(e.p99.Microseconds()))
		r50, r99 = append(r50, float64(e.p50)/float64(base[i].p50)), append(r99, float64(e.p99)/float64(base[i].p99))
		cpu = append(cpu, e.cpu.Seconds())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(p50), "p50-us")
	b.ReportMetric(median(p99), "p99-us")
	b.ReportMetric(median(r50), "p50-ratio")
	b.ReportMetric(median(r99), "p99-ratio")
	b.ReportMetric(median(cpu), "host-cpus")
}

// street is a host on which two tenants live.
type street struct {
	host    *hosttest.Host
	api     *client.Client
	tell    io.Writer
	heard   *bufio.Scanner
	sound   []byte
	secrets map[string]string // tokens by tenant
}

func newStreet(b *testing.B) *street {
	s := &street{sound: helloGo(b), secrets: map[string]string{}}
	s.host = hosttest.StartHost(b, program, "--store", b.TempDir(), "--upstream", answering(b))
	s.api = dial(b, s.host)
	s.settle(b, "quiet", variant(b, "adaptive", 0))
	s.listen(b)
	return s
}

// listen starts the process that attacks.
func (s *street) listen(b *testing.B) {
	module := filepath.Join(b.TempDir(), "sound.wasm")
	if err := os.WriteFile(module, s.sound, 0o600); err != nil {
		b.Fatal(err)
	}
	in, heard := child(b, beAssault, s.host.Admin, module)
	s.tell, s.heard = in, heard
}

// turnTo has the attacker turn to something else, and returns what it did.
func (s *street) turnTo(b *testing.B, kind, tenant string) string {
	if _, err := fmt.Fprintln(s.tell, kind, tenant, s.secrets[tenant], s.host.Addr); err != nil {
		b.Fatal(err)
	}
	if !s.heard.Scan() {
		b.Fatal("the attacker has ended")
	}
	return s.heard.Text()
}

// settle makes a tenant with a token, and puts its policies in charge, one
// after the other.
func (s *street) settle(b *testing.B, name string, policies ...[]byte) {
	create(b, s.api, name)
	t, err := s.api.CreateToken(context.Background(), name, api.NewToken{Name: "its own"})
	if err != nil {
		b.Fatal(err)
	}
	s.secrets[name] = t.Secret
	for _, wasm := range policies {
		step := api.Step{Kind: api.StepPromote, Digest: push(b, s.api, name, wasm)}
		if _, err := s.api.Step(context.Background(), name, step, api.Precondition{}); err != nil {
			b.Fatal(err)
		}
	}
}

// arm makes a tenant that has what a kind of assault needs.
func (s *street) arm(b *testing.B, kind, tenant string) {
	switch kind {
	case promote:
		s.settle(b, tenant, smallOne(0), smallOne(1))
	case percent:
		s.settle(b, tenant, smallOne(0), smallOne(1))
		step := api.Step{Kind: api.StepCanary, Digest: digestOf(smallOne(0)), Percent: 5}
		if _, err := s.api.Step(context.Background(), tenant, step, api.Precondition{}); err != nil {
			b.Fatal(err)
		}
	case known:
		s.settle(b, tenant, s.sound)
	default:
		s.settle(b, tenant)
	}
}

// drain makes the tenants that attack for long, and has them use up what they
// have saved.
func (s *street) drain(b *testing.B, kinds []string) {
	var all sync.WaitGroup
	for _, kind := range kinds {
		if kind == none || strings.HasPrefix(kind, rested) {
			continue
		}
		s.arm(b, kind, kind)
		all.Go(func() { s.exhaust(b, kind) })
	}
	all.Wait()
}

// exhaust uploads until it is told to wait.
func (s *street) exhaust(b *testing.B, tenant string) {
	ctx, stop := context.WithTimeout(context.Background(), 4*time.Minute)
	defer stop()
	for {
		patience, stop := context.WithTimeout(ctx, time.Minute)
		_, _, err := s.api.Upload(patience, tenant, api.Upload{Wasm: goFresh(s.sound)}, nil)
		stop()
		switch {
		case client.Kind(err) == api.KindRate:
			return
		case err != nil:
			b.Errorf("%s: %v", tenant, err)
			return
		}
	}
}

// measure asks the quiet tenant while the other does something.
func (s *street) measure(b *testing.B, kind string, round int) evening {
	tenant := kind
	if bare, ok := strings.CutPrefix(kind, rested); ok {
		kind, tenant = bare, fmt.Sprintf("%s-%d", tenant, round)
		s.arm(b, kind, tenant)
	}
	s.turnTo(b, kind, tenant)
	before, err := s.host.Times()
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	took, err := pace(s.host.Addr, "quiet.example", neighbourConns, neighbourRate, neighbourAsks)
	if err != nil {
		b.Fatal(err)
	}
	after, err := s.host.Times()
	if err != nil {
		b.Fatal(err)
	}
	e := evening{p50: quantile(took, 0.5), p99: quantile(took, 0.99), cpu: time.Duration(float64(after.Since(before)) / time.Since(begin).Seconds())}
	b.Logf("round %d, %s: p50 %v, p99 %v, %.2f processors; answered %s", round+1, tenant, e.p50, e.p99, e.cpu.Seconds(), s.turnTo(b, none, tenant))
	return e
}
