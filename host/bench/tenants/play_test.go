package tenants

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"idlehost/host/bench/attacks"
	"idlehost/host/e2e/hosttest"
	"idlehost/host/e2e/neighbour"
	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
	"idlehost/host/internal/sandbox/hostile"
	"idlehost/host/internal/tenant/spec"
	"idlehost/sdk/abi"
)

// What a play is made of.
const (
	besideTime  = 2800 * time.Millisecond // of the window beside the attack
	quietTime   = 1400 * time.Millisecond
	freshTime   = 4 * time.Second        // for which a quiet window serves the next play
	beginTime   = 500 * time.Millisecond // until all of an attacker's connections are there
	attackConns = 48
)

// shape is what the attacker's connections do, and of what they have its policy
// asked.
type shape struct {
	name  string
	stay  time.Duration // between a connection's requests
	kinds []abi.Kind    // of the questions that are the attack
}

var (
	// idling connections are asked about because of the wheel's deadlines.
	idling = shape{"idling", time.Hour, []abi.Kind{abi.KindTimeout}}
	// coming and going ones are asked about by their own goroutines as well.
	coming = shape{"coming", 700 * time.Millisecond, []abi.Kind{abi.KindAccept, abi.KindTimeout, abi.KindClose}}
)

// turn is what the attackers do during a play. end says how it went, where that
// is known.
type turn func(b *testing.B) (end func() string)

// module plays an attack of the corpus.
func module(a hostile.Attack, c shape) played {
	name := a.Name
	if c.name != idling.name {
		name += "/" + c.name
	}
	return played{name, string(a.Class), func(s *attackBench, b *testing.B, tenant string) (turn, error) {
		s.settle(b, tenant)
		err := s.tryPromote(tenant, disguised(a, c), a.Params)
		if err != nil {
			err = s.tryPromote(tenant, a.Wasm(), a.Params)
		}
		return s.traffic(tenant, c), err
	}}
}

// nobody is a play without any traffic but the neighbour's.
func nobody(n int) played {
	return played{fmt.Sprintf("nobody-%d", n), attacks.Control, func(*attackBench, *testing.B, string) (turn, error) {
		return func(*testing.B) func() string { return func() string { return "" } }, nil
	}}
}

// soundly is a play beside the traffic of a tenant whose policy is sound.
func soundly(n int) played {
	return played{fmt.Sprintf("sound-%d", n), "sound traffic", func(s *attackBench, b *testing.B, tenant string) (turn, error) {
		s.settle(b, tenant)
		wasm, _ := hostile.Disguise(smallOne(0), time.Now())
		return s.traffic(tenant, idling), s.tryPromote(tenant, wasm, nil)
	}}
}

// attackBench is a host with a tenant that is watched, and those that attack. The
// watched one's upstream is here; that of the others is another process, since
// what they do to it is not the host's doing.
type attackBench struct {
	host     *hosttest.Host
	api      *client.Client
	watching *neighbour.Watching
	upstream string    // of the attackers
	tell     io.Writer // the process of the attacker's clients
	heard    *bufio.Scanner
	module   string // a file with what takes long to check
	n        int    // tenants

	quiet quietWindow // the latest
}

type quietWindow struct {
	ended time.Time
	seen  neighbour.Seen
	cpu   float64 // processors
}

func newAttackBench(b *testing.B) *attackBench {
	s := &attackBench{}
	s.host = hosttest.StartHost(b, program, "--store", b.TempDir(), "--upstream", answering(b))
	s.api = dial(b, s.host)
	create(b, s.api, "watched")
	step := api.Step{Kind: api.StepPromote, Digest: push(b, s.api, "watched", variant(b, "fixed", 0)), Params: map[string]string{"idle": "1s"}}
	if _, err := s.api.Step(context.Background(), "watched", step, api.Precondition{}); err != nil {
		b.Fatal(err)
	}
	_, heard := child(b, beUpstream)
	if !heard.Scan() {
		b.Fatal("the attackers' upstream has ended")
	}
	s.upstream = heard.Text()
	s.module = filepath.Join(b.TempDir(), "costly.wasm")
	i := slices.IndexFunc(hostile.FittedAttacks(), func(f hostile.Fitted) bool { return f.Name == "fitted-arms-of-1000-locals" })
	if err := os.WriteFile(s.module, hostile.FittedAttacks()[i].Times(1), 0o600); err != nil {
		b.Fatal(err)
	}
	s.tell, s.heard = child(b, beTraffic)
	s.watching = neighbour.Watch{
		Addr: s.host.Addr, Host: "watched.example", Idle: time.Second,
		Conns: 12, Every: 20 * time.Millisecond, Rare: 16, RareEvery: 400 * time.Millisecond, Waiters: 40,
	}.Start()
	b.Cleanup(s.watching.Stop)
	s.watch(b, time.Now(), 3*time.Second) // warm up
	return s
}

// settle makes a tenant of those that attack.
func (s *attackBench) settle(b *testing.B, name string) {
	spec := spec.Spec{Hosts: []string{name + ".example"}, Upstreams: []string{s.upstream}}
	if _, _, err := s.api.PutTenant(context.Background(), name, spec, api.Precondition{Absent: true}); err != nil {
		b.Fatal(err)
	}
}

// child starts this test's binary as another process until the benchmark ends.
func child(b *testing.B, args ...string) (tell io.Writer, heard *bufio.Scanner) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return in, bufio.NewScanner(out)
}

func disguised(a hostile.Attack, c shape) []byte {
	// A past moment is still later than the check's.
	if wasm, ok := hostile.Disguise(a.Wasm(), time.Now().Add(-time.Hour), c.kinds...); ok {
		return wasm
	}
	return a.Wasm()
}

func (s *attackBench) tryPromote(tenant string, wasm []byte, params map[string]string) error {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	p, _, err := s.api.Upload(ctx, tenant, api.Upload{Name: "attack", Wasm: wasm}, nil)
	if err != nil {
		return err
	}
	_, err = s.api.Step(ctx, tenant, api.Step{Kind: api.StepPromote, Digest: p.Digest, Params: params}, api.Precondition{})
	return err
}

// play has an attack made by a new tenant.
func (s *attackBench) play(b *testing.B, p played) *attacks.Play {
	s.n++
	tenant := fmt.Sprintf("attacker%d", s.n)
	result := &attacks.Play{Name: p.name, Class: p.class}
	begun := time.Now()
	attack, refusal := p.arm(s, b, tenant)
	if refusal != nil {
		result.Refused, result.Outcome = true, reason(refusal)
		result.Late = latest(s.watching.Between(begun, time.Now()))
		s.dismiss(b, tenant)
		return result
	}
	if time.Since(s.quiet.ended) > freshTime {
		s.rest(b)
	}
	before, died := s.quiet, s.died(b)
	end := attack(b)
	seen, cpu := s.watch(b, begun, besideTime)
	went := []string{s.outcome(b, tenant, died), end()}
	if seen.Failed > 0 {
		went = append(went, fmt.Sprintf("%d requests of the neighbour failed: %v", seen.Failed, seen.Err))
	}
	result.Outcome = strings.Join(slices.DeleteFunc(went, func(s string) bool { return s == "" }), "; ")
	s.dismiss(b, tenant)
	s.rest(b)
	calm := slices.Sorted(slices.Values(slices.Concat(before.seen.Took, s.quiet.seen.Took)))
	result.Quiet, result.Beside = neighbour.Quantile(calm, 0.99), neighbour.Quantile(seen.Took, 0.99)
	result.QuietLate, result.Late = max(latest(before.seen), latest(s.quiet.seen)), latest(seen)
	result.Requests, result.CPU = seen.Answered, cpu
	s.watching.Forget(begun)
	return result
}

func latest(s neighbour.Seen) time.Duration { return neighbour.Quantile(s.Late, 1) }

// reason is a refusal without what differs each time.
func reason(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if i := strings.LastIndex(text, "\": "); i >= 0 {
		text = text[i+len("\": "):]
	}
	return fmt.Sprintf("%.80s", text)
}

// dismiss deletes a tenant, if there is one of that name.
func (s *attackBench) dismiss(b *testing.B, tenant string) {
	err := s.api.DeleteTenant(context.Background(), tenant, api.Precondition{Match: "*"})
	if err != nil && client.Kind(err) != api.KindNotFound && client.Kind(err) != api.KindPrecondition {
		b.Fatal(err)
	}
}

// watch has the neighbour watched for a while. What it sees of deadlines is from
// an earlier moment on.
func (s *attackBench) watch(b *testing.B, since time.Time, d time.Duration) (neighbour.Seen, float64) {
	from := time.Now()
	used := s.used(b, d)
	to := time.Now()
	seen := s.watching.Between(from, to)
	if since.Before(from) {
		seen.Late = s.watching.Between(since, to).Late
	}
	return seen, used
}

// used is the processors that the host and its workers use for a while.
func (s *attackBench) used(b *testing.B, d time.Duration) float64 {
	b.Helper()
	before, err := s.host.Times()
	if err != nil {
		b.Fatal(err)
	}
	from := time.Now()
	rest(b.Context(), d)
	after, err := s.host.Times()
	if err != nil {
		b.Fatal(err)
	}
	return float64(after.Since(before)) / float64(time.Since(from))
}

// rest waits until the host has nothing left to do of what there was, and
// watches what is usual: what one play has caused is not the next one's.
func (s *attackBench) rest(b *testing.B) {
	for n := 0; s.used(b, 100*time.Millisecond) > 1.5*s.quiet.cpu+0.15; n++ {
		if n == 100 {
			fmt.Fprintln(os.Stderr, "the host is still busy, 10 s later")
			break
		}
	}
	s.quiet.seen, s.quiet.cpu = s.watch(b, time.Now(), quietTime)
	s.quiet.ended = time.Now()
}

// died is how many workers have ended, whatever of.
func (s *attackBench) died(b *testing.B) float64 { return s.host.Metric(b, "host_worker_ended_total") }

// outcome is what the host says of the attacker's policy.
func (s *attackBench) outcome(b *testing.B, tenant string, died float64) string {
	r, err := s.api.Rollout(context.Background(), tenant)
	if client.Kind(err) == api.KindNotFound {
		return "" // nobody
	}
	if err != nil {
		b.Fatal(err)
	}
	says := "no policy"
	for _, side := range r.Sides {
		if side.Role == api.StateActive {
			says = fmt.Sprintf("%d questions", side.Asks)
			for _, cause := range slices.Sorted(maps.Keys(side.Causes)) {
				says += fmt.Sprintf(", %d %s", side.Causes[cause], cause)
			}
		}
	}
	if n := s.died(b) - died; n > 0 {
		says += fmt.Sprintf(", %v workers ended", n)
	}
	return says
}

// traffic has a tenant's connections.
func (s *attackBench) traffic(tenant string, c shape) turn {
	return s.trafficOf(tenant+".example", attackConns, c)
}

// trafficOf has so many connections for each of several hosts.
func (s *attackBench) trafficOf(hosts string, conns int, c shape) turn {
	tell := func(b *testing.B, line string) {
		if _, err := fmt.Fprintln(s.tell, line); err != nil {
			b.Fatal(err)
		}
		if !s.heard.Scan() {
			b.Fatal("the clients have ended")
		}
	}
	return func(b *testing.B) func() string {
		tell(b, fmt.Sprintf("%s %s %d %s %s", s.host.Addr, hosts, conns, c.stay, beginTime))
		return func() string { tell(b, ""); return "" }
	}
}

// acting plays an act of a new tenant with a sound policy, by a process of its own.
func acting(name string) played {
	return played{name, "act", func(s *attackBench, b *testing.B, tenant string) (turn, error) {
		s.settle(b, tenant)
		t, err := s.api.CreateToken(context.Background(), tenant, api.NewToken{Name: "its own"})
		if err != nil {
			b.Fatal(err)
		}
		wasm, _ := hostile.Disguise(smallOne(s.n), time.Now())
		if err := s.tryPromote(tenant, wasm, nil); err != nil {
			b.Fatal(err)
		}
		canary := push(b, s.api, tenant, smallOne(100+s.n))
		if _, err := s.api.Step(context.Background(), tenant, api.Step{Kind: api.StepCanary, Digest: canary, Percent: 5}, api.Precondition{}); err != nil {
			b.Fatal(err)
		}
		return func(b *testing.B) func() string { return s.act(b, name, tenant, t.Secret) }, nil
	}}
}

func (s *attackBench) act(b *testing.B, name, tenant, secret string) (end func() string) {
	cmd := exec.Command(os.Args[0], beAct, name, s.host.Addr, s.host.Admin, tenant, secret, s.module)
	var did strings.Builder
	cmd.Stdout, cmd.Stderr = &did, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return func() string {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
		return strings.TrimSuffix(strings.TrimSpace(did.String()), ",")
	}
}
