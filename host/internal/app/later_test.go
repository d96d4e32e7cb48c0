package app

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/config"
	"idlehost/host/internal/lab"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/tenant"
	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/tracetest"
	"idlehost/plugins"
)

// later is a guest as one in another process is: its answers come 0 to 30 ms
// later, by chance and in the order of the questions, on a goroutine of its own.
type later struct {
	*guest
	mu     sync.Mutex // keeps the order of questions
	queue  chan answered
	closed sync.WaitGroup
}

type answered struct {
	ask   policy.Ask
	v     policy.Verdict
	fault policy.Fault
	to    tenant.Answerer
}

func newLater(p *engine.Policy) *later {
	l := &later{guest: &guest{p}, queue: make(chan answered, 1<<10)}
	l.closed.Go(func() {
		for a := range l.queue {
			<-time.After(rand.N(30 * time.Millisecond))
			for more := true; more; { // what came meanwhile has waited as well
				a.to.Answered(&a.ask, a.v, a.fault)
				select {
				case a, more = <-l.queue:
				default:
					more = false
				}
			}
		}
	})
	return l
}

func (l *later) Decide(*policy.Ask) (policy.Verdict, policy.Fault) {
	return policy.Verdict{}, policy.FaultNotLoaded
}

func (l *later) Ask(ask *policy.Ask, to tenant.Answerer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := answered{ask: *ask, to: to}
	a.v, a.fault = l.guest.Decide(&a.ask)
	l.queue <- a
}

// TestReplayDecidesAsALaterPolicyDid records real clients of a policy whose
// answers come later, and replays the recording with it: every decision must be
// the same, those included that came too late to be applied.
func TestReplayDecidesAsALaterPolicyDid(t *testing.T) {
	for name, params := range map[string]map[string]string{"adaptive": {"worth": "3s"}, "fixed": {"timeout": "200ms"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "live.trace")
			recordLater(t, file, name, params)
			_, all := tracetest.Read(t, file)
			asked := map[uint64]int64{}
			kinds, late, dropped := map[trace.Kind]int64{}, 0, 0
			for _, r := range all {
				switch kinds[r.Kind]++; {
				case r.Kind == trace.KindAsk:
					asked[r.Conn] = r.Time
				case r.Kind != trace.KindAnswer:
				case r.Answer.Dropped:
					dropped++
				case r.Time > asked[r.Conn]:
					late++
				}
			}
			e, err := engine.New(t.Context(), engine.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { e.Close() })
			cfg := lab.Config{Engine: e, Setting: lab.DefaultSetting(), Open: func() (lab.Recording, error) { return trace.Open(file) }}
			wasm, _ := plugins.Lookup(name)
			p, err := lab.Play(t.Context(), cfg, lab.Policy{Name: name, Wasm: wasm, Params: params}, nil)
			if err != nil {
				t.Fatal(err)
			}
			a := p.Outcome.Agreement
			if a == nil || a.Same != a.Recorded || a.Recorded != kinds[trace.KindAnswer] || kinds[trace.KindLost] > 0 || late == 0 {
				t.Fatalf("agreement %+v, records %v, %d late and %d dropped", a, kinds, late, dropped)
			}
			t.Logf("%d decisions, %d late and %d dropped", a.Recorded, late, dropped)
		})
	}
}

// recordLater records clients with habits at a host whose policy answers later.
func recordLater(t *testing.T, file, name string, params map[string]string) {
	up := echo(t, "up")
	r := start(t, func(c *config.Config) {
		c.Upstream.Targets = []string{up}
		c.Plugin = config.Plugin{Path: name, Config: params}
		c.Record.File = file
	})
	wasm, _ := plugins.Lookup(name)
	loaded, err := r.engine.Load(t.Context(), engine.Source{Name: name, Wasm: wasm, Params: params})
	if err != nil {
		t.Fatal(err)
	}
	l := newLater(loaded)
	other := maps.Clone(params) // or the tenant would take it for what it has
	other["other"] = "1"
	r.tenants.get("default").tenant.Set(tenant.Plan{Active: &tenant.RoleVersion{Version: tenant.Version{Digest: loaded.Digest(), Params: other}, Guest: l}})
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() { visit(t, r.url(0), i) })
	}
	clients.Wait()
	r.quiesce()
	close(l.queue)
	l.closed.Wait()
}

// visit is a client, with an address of its own, that makes requests after gaps
// around 20 ms to 640 ms, for about two seconds.
func visit(t *testing.T, url string, i int) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i))}}
	tr := &http.Transport{MaxIdleConnsPerHost: 1, DialContext: dialer.DialContext, Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(i%3 != 0)
	tr.Protocols.SetUnencryptedHTTP2(i%3 == 0)
	defer tr.CloseIdleConnections()
	around := 20 * time.Millisecond << (i % 6)
	for range 2 * time.Second / around {
		resp, err := (&http.Client{Transport: tr}).Get(fmt.Sprintf("%s/?%d", url, i))
		if err != nil {
			t.Errorf("client %d: %v", i, err)
			return
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
		resp.Body.Close()
		<-time.After(around/2 + rand.N(around))
	}
}
