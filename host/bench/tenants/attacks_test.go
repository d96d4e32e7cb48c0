package tenants

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/e2e/neighbour"
	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
	"idlehost/host/internal/engine"
	"idlehost/host/internal/engine/hostile"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// What a round is made of.
const (
	attackRounds = 3
	attackTime   = 3 * time.Second // of each round of an attack that is measured for long
	glanceTime   = 1500 * time.Millisecond
	settleTime   = 400 * time.Millisecond // before a round
	attackConns  = 48
)

// shape is what the attacker's connections do, and of what they have its policy
// asked.
type shape struct {
	name  string
	stay  time.Duration // between a connection's requests
	kinds []abi.Kind    // of the questions that are the attack
}

var (
	// idling connections are asked about by the goroutines that look after
	// everybody's deadlines.
	idling = shape{"idling", time.Hour, []abi.Kind{abi.KindTimeout}}
	// coming and going ones are asked about by their own as well.
	coming = shape{"coming", 700 * time.Millisecond, []abi.Kind{abi.KindAccept, abi.KindTimeout, abi.KindClose}}
)

// none of a tenant's traffic, or that under a sound policy: what the attacks
// are measured against.
const (
	quiet = "quiet"
	sound = "sound"
)

// BenchmarkAttacks tells what a tenant sees while another one attacks: what its
// requests take, and how late its idle connections are closed. The attacker
// uploads a module of the corpus, disguised so that the check finds nothing
// (hostile.Disguise), promotes it, and has 48 connections that are asked about
// as often as the operator's floor allows: they stay, or come and go. Or it does
// something else that its connections and its token let it do (acts).
//
// Attacks that are fitted to the budget of a question, some others and all acts
// are measured for long, in turns with sound traffic and without any; ratios are
// the medians of those of each round. Every other attack that can be promoted is
// looked at shortly, beside the same traffic under a sound policy, and measured
// for long if it looks bad twice. What the short looks have shown is reported by
// class of attack, beside looks without any between them.
//
//	go test -run '^$' -bench Attacks -benchtime 1x -timeout 90m ./host/bench/tenants
//
// ATTACKS names attacks, classes or acts to be measured instead of all, or says
// "glance": then no look is a long one; or "sample": the same for one attack of
// three.
func BenchmarkAttacks(b *testing.B) {
	s := newAttackBench(b)
	names := strings.Fields(os.Getenv("ATTACKS"))
	sample := slices.Equal(names, []string{"sample"})
	glance := sample || slices.Equal(names, []string{"glance"})
	if glance {
		names = nil
	}
	list := chosen(b, names)
	for _, a := range list {
		if !glance && (len(names) > 0 || telling(a)) {
			s.measureModule(b, a, idling)
			if strings.HasPrefix(a.Name, "fitted-") || len(names) > 0 {
				s.measureModule(b, a, coming)
			}
		}
	}
	for _, c := range acts() {
		if !glance && (len(names) == 0 || slices.Contains(names, c.name)) {
			s.measure(b, "act="+c.name, s.act(b, c.name), s.sound(idling))
		}
	}
	for i, a := range list {
		if len(names) > 0 || telling(a) && !glance || sample && i%3 != 0 {
			continue
		}
		if m := s.arm(b, a, idling); m != nil {
			bad := s.looksBad(b, m)
			if bad { // the machine may have been busy with something else
				bad = s.looksBad(b, m)
			}
			s.disarm(b, m)
			if bad && !glance {
				s.measureModule(b, a, idling)
			}
		}
	}
	s.reportClasses(b)
}

// measureModule measures an attack for long, if the host takes it.
func (s *attackBench) measureModule(b *testing.B, a hostile.Attack, c shape) {
	if m := s.arm(b, a, c); m != nil {
		s.measure(b, "attack="+m.String(), s.attack(m), s.sound(m.shape))
		b.Logf("%s: %s", m, s.record(b, m))
		s.disarm(b, m)
	}
}

// telling attacks are measured for long whatever they look like.
func telling(a hostile.Attack) bool {
	return strings.HasPrefix(a.Name, "fitted-") || slices.Contains([]string{
		"loop-in-every-hook", "recursion-over-results", "fill-storm", "grow-to-the-cap-and-trap",
		"initialize-deep", "log-burst", "state-at-the-cap", "chain-of-loads", "locals-rotated-in-an-arm",
	}, a.Name)
}

func chosen(b *testing.B, names []string) (list []hostile.Attack) {
	all := append(hostile.Corpus(), fitted(b)...)
	for _, a := range all {
		if len(names) == 0 || slices.Contains(names, a.Name) || slices.Contains(names, string(a.Class)) {
			list = append(list, a)
		}
	}
	return list
}

// fitted returns the attacks whose questions use what fuel they have, and no
// more. One that the host refuses is left out.
func fitted(b *testing.B) (list []hostile.Attack) {
	ctx := context.Background()
	e, err := engine.New(ctx, engine.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for _, f := range hostile.FittedAttacks() {
		a, err := f.Fit(e.Budgets().Call, func(wasm []byte) (int64, error) {
			p, err := e.Load(ctx, engine.Source{Name: f.Name, Wasm: wasm})
			if err != nil {
				return 0, err
			}
			defer p.Close()
			ask := &policy.Ask{}
			ask.Event.Kind = uint8(abi.KindTimeout)
			p.Decide(ask)
			return int64(p.Stats().FuelLast[abi.KindTimeout]), nil
		})
		if err != nil {
			b.Logf("not in force: %.160s", err)
			continue
		}
		list = append(list, a)
	}
	return list
}

// attackBench is a host with a tenant that is watched, one whose policy is sound, and
// those that attack. The watched one's upstream is here; that of the others is
// another process, since what they do to it is not the host's doing.
type attackBench struct {
	host     *hosttest.Host
	api      *client.Client
	watch    neighbour.Watch
	upstream string    // of the attackers
	tell     io.Writer // the process of the attacker's clients
	heard    *bufio.Scanner
	module   string // a file with what takes long to check
	n        int    // tenants

	glances int
	usual   view                       // beside a sound policy, lately
	classes map[hostile.Class]*glances // what short looks have shown
}

func newAttackBench(b *testing.B) *attackBench {
	s := &attackBench{classes: map[hostile.Class]*glances{}}
	s.host = hosttest.StartHost(b, program, "--store", b.TempDir(), "--upstream", answering(b))
	s.api = dial(b, s.host)
	s.watch = neighbour.Watch{
		Addr: s.host.Addr, Host: "watched.example", Idle: time.Second,
		Conns: 8, Every: 40 * time.Millisecond, Rare: 16, RareEvery: 400 * time.Millisecond, Waiters: 24,
	}
	create(b, s.api, "watched")
	s.promote(b, "watched", push(b, s.api, "watched", variant(b, "fixed", 0)), map[string]string{"idle": "1s"})
	_, heard := child(b, beUpstream)
	if !heard.Scan() {
		b.Fatal("the attackers' upstream has ended")
	}
	s.upstream = heard.Text()
	s.settle(b, sound)
	wasm, _ := hostile.Disguise(smallOne(0), time.Now())
	s.promote(b, sound, push(b, s.api, sound, wasm), nil)
	s.module = filepath.Join(b.TempDir(), "costly.wasm")
	i := slices.IndexFunc(hostile.FittedAttacks(), func(f hostile.Fitted) bool { return f.Name == "fitted-arms-of-1000-locals" })
	if err := os.WriteFile(s.module, hostile.FittedAttacks()[i].Times(1), 0o600); err != nil {
		b.Fatal(err)
	}
	s.tell, s.heard = child(b, beTraffic)
	s.look(b, s.sound(coming), 2*time.Second) // warm up
	return s
}

// settle makes a tenant of those that attack.
func (s *attackBench) settle(b *testing.B, name string) {
	spec := api.Spec{Hosts: []string{name + ".example"}, Upstreams: []string{s.upstream}}
	if _, _, err := s.api.PutTenant(context.Background(), name, spec, api.Precondition{Absent: true}); err != nil {
		b.Fatal(err)
	}
}

func (s *attackBench) promote(b *testing.B, tenant, digest string, params map[string]string) {
	b.Helper()
	step := api.Step{Digest: digest, Params: params}
	if _, err := s.api.Promote(context.Background(), tenant, step, api.Precondition{}); err != nil {
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

// attacker is a tenant that has an attack promoted.
type attacker struct {
	attack hostile.Attack
	shape  shape
	tenant string
}

func (m *attacker) String() string { return m.attack.Name + "/" + m.shape.name }

// arm uploads an attack for a new tenant and promotes it. nil: the host refuses
// one or the other, and says why in the log.
func (s *attackBench) arm(b *testing.B, a hostile.Attack, c shape) *attacker {
	s.n++
	m := &attacker{a, c, fmt.Sprintf("attacker%d", s.n)}
	s.settle(b, m.tenant)
	err := s.tryPromote(m.tenant, disguised(a, c), a.Params)
	if err != nil {
		err = s.tryPromote(m.tenant, a.Wasm(), a.Params)
	}
	if err == nil {
		return m
	}
	if c.name == idling.name {
		b.Logf("%-10s %-36s not in force: %.160s", a.Class, a.Name, err)
	}
	s.disarm(b, m)
	return nil
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
	_, err = s.api.Promote(ctx, tenant, api.Step{Digest: p.Digest, Params: params}, api.Precondition{})
	return err
}

func (s *attackBench) disarm(b *testing.B, m *attacker) {
	if err := s.api.DeleteTenant(context.Background(), m.tenant, api.Precondition{Match: "*"}); err != nil {
		b.Fatal(err)
	}
}

// view is what one round has shown.
type view struct {
	seen neighbour.Seen
	cpu  float64 // processors that the host and its workers used
}

// turn is what the attackers do during a round.
type turn struct {
	name  string
	begin func(b *testing.B) (end func())
}

func (s *attackBench) quiet() turn {
	return turn{quiet, func(*testing.B) func() { return func() {} }}
}

func (s *attackBench) sound(c shape) turn { return turn{sound, s.traffic(sound, c)} }

func (s *attackBench) attack(m *attacker) turn { return turn{m.String(), s.traffic(m.tenant, m.shape)} }

// traffic has a tenant's connections.
func (s *attackBench) traffic(tenant string, c shape) func(b *testing.B) func() {
	tell := func(b *testing.B, line string) {
		if _, err := fmt.Fprintln(s.tell, line); err != nil {
			b.Fatal(err)
		}
		if !s.heard.Scan() {
			b.Fatal("the clients have ended")
		}
	}
	return func(b *testing.B) func() {
		tell(b, fmt.Sprintf("%s %s.example %d %s", s.host.Addr, tenant, attackConns, c.stay))
		return func() { tell(b, "") }
	}
}

// act has a new tenant with a sound policy act, by a process of its own.
func (s *attackBench) act(b *testing.B, name string) turn {
	s.n++
	tenant := fmt.Sprintf("actor%d", s.n)
	s.settle(b, tenant)
	t, err := s.api.CreateToken(context.Background(), tenant, api.NewToken{Name: "its own"})
	if err != nil {
		b.Fatal(err)
	}
	wasm, _ := hostile.Disguise(smallOne(s.n), time.Now())
	s.promote(b, tenant, push(b, s.api, tenant, wasm), nil)
	canary := push(b, s.api, tenant, smallOne(100+s.n))
	if _, err := s.api.Canary(context.Background(), tenant, api.Step{Digest: canary, Percent: 5}, api.Precondition{}); err != nil {
		b.Fatal(err)
	}
	return turn{name, func(b *testing.B) func() {
		cmd := exec.Command(os.Args[0], beAct, name, s.host.Addr, s.host.Admin, tenant, t.Secret, s.module)
		var did strings.Builder
		cmd.Stdout, cmd.Stderr = &did, os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		return func() {
			in.Close()
			if err := cmd.Wait(); err != nil {
				b.Error(err)
			}
			b.Logf("%s: %s", name, strings.TrimSuffix(strings.TrimSpace(did.String()), ","))
		}
	}}
}

// look watches the neighbour for a while.
func (s *attackBench) look(b *testing.B, t turn, d time.Duration) (g view) {
	b.Helper()
	end := t.begin(b)
	time.Sleep(settleTime)
	before, err := s.host.Times()
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	g.seen = s.watch.For(context.Background(), d)
	after, err := s.host.Times()
	if err != nil {
		b.Fatal(err)
	}
	g.cpu = float64(after.Since(before)) / float64(time.Since(begun))
	end()
	s.calm(b)
	if g.seen.Failed > 0 {
		b.Logf("%s: %d requests of the neighbour failed: %v", t.name, g.seen.Failed, g.seen.Err)
	}
	return g
}

// calm waits until the host has nothing left to do of what there was: what one
// round has caused is not the next one's.
func (s *attackBench) calm(b *testing.B) {
	for range 100 {
		before, err := s.host.Times()
		if err != nil {
			b.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		if after, err := s.host.Times(); err != nil {
			b.Fatal(err)
		} else if after.Since(before) < 20*time.Millisecond {
			return
		}
	}
	b.Log("the host is still busy, 20 s later")
}

func (g *view) p50() float64     { return ms(neighbour.Quantile(g.seen.Took, 0.5)) }
func (g *view) p99() float64     { return ms(neighbour.Quantile(g.seen.Took, 0.99)) }
func (g *view) late50() float64  { return ms(neighbour.Quantile(g.seen.Late, 0.5)) }
func (g *view) late99() float64  { return ms(neighbour.Quantile(g.seen.Late, 0.99)) }
func (g *view) lateMax() float64 { return ms(neighbour.Quantile(g.seen.Late, 1)) }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// inTime is the share of idle connections that were closed within 1.03 s.
func (g *view) inTime() float64 {
	n := 0
	for _, d := range g.seen.Late {
		if d <= 30*time.Millisecond {
			n++
		}
	}
	return 100 * float64(n) / float64(max(len(g.seen.Late), 1))
}

// record tells what the host says of the attacker's policy.
func (s *attackBench) record(b *testing.B, m *attacker) string {
	r, err := s.api.Rollout(context.Background(), m.tenant)
	if err != nil {
		b.Fatal(err)
	}
	for _, side := range r.Sides {
		if side.Role == "active" {
			return fmt.Sprintf("%d asks, faults %v", side.Asks, side.Causes)
		}
	}
	return "not asked"
}

// measure takes long looks, in turns.
func (s *attackBench) measure(b *testing.B, name string, attack, base turn) {
	turns := []turn{s.quiet(), base, attack}
	seen := make([][]view, len(turns))
	for n := range attackRounds {
		for i := range turns {
			i = (i + n) % len(turns)
			g := s.look(b, turns[i], attackTime)
			seen[i] = append(seen[i], g)
			b.Logf("%s, round %d, %s: p50 %.2f p99 %.2f ms, late p50 %.1f p99 %.1f max %.1f ms, %d answered, %d closed, %.2f processors",
				name, n+1, turns[i].name, g.p50(), g.p99(), g.late50(), g.late99(), g.lateMax(), g.seen.Answered, g.seen.Closed, g.cpu)
		}
	}
	b.Run(name, func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		still, calm, list := seen[0], seen[1], seen[2]
		b.ReportMetric(middle(still, (*view).p99), "quiet-p99-ms")
		b.ReportMetric(middle(list, (*view).p99), "p99-ms")
		b.ReportMetric(ratio(list, calm, (*view).p50), "p50-of-sound")
		b.ReportMetric(ratio(list, calm, (*view).p99), "p99-of-sound")
		b.ReportMetric(ratio(list, still, (*view).p99), "p99-of-quiet")
		b.ReportMetric(middle(list, (*view).late99), "late-p99-ms")
		b.ReportMetric(middle(still, (*view).late99), "quiet-late-p99-ms")
		b.ReportMetric(latest(list), "late-max-ms")
		b.ReportMetric(latest(still), "quiet-late-max-ms")
		b.ReportMetric(middle(list, (*view).inTime), "in-time-%")
		b.ReportMetric(middle(still, (*view).inTime), "quiet-in-time-%")
		b.ReportMetric(middle(list, func(g *view) float64 { return g.cpu }), "host-cpus")
	})
}

func middle(list []view, of func(*view) float64) float64 {
	var all []float64
	for i := range list {
		all = append(all, of(&list[i]))
	}
	return median(all)
}

func latest(list []view) (most float64) {
	for i := range list {
		most = max(most, list[i].lateMax())
	}
	return most
}

// ratio is the median of those of each round.
func ratio(list, base []view, of func(*view) float64) float64 {
	var all []float64
	for i := range list {
		all = append(all, of(&list[i])/of(&base[i]))
	}
	return median(all)
}
