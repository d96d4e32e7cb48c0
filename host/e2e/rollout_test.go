package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// extendBy is a verdict, and leases that of an accept that has edited leases.
func extendBy(d time.Duration) int64 { return 1<<32 | d.Milliseconds() }

const leases = 2 << 40

// leasing asks, at accept, to be asked after each d without use.
func leasing(d time.Duration) wasmtest.Func {
	var code []byte
	for _, phase := range []abi.Phase{abi.PhaseIdle, abi.PhaseStreamIdle, abi.PhaseTunnel} {
		at := wasmtest.Buffer + abi.EventLeasesOffset + 4*uint32(phase)
		code = wasmtest.Code(code, wasmtest.Store32(at, wasmtest.Const32(int32(d.Milliseconds()))))
	}
	return wasmtest.Hook("on_accept", code, wasmtest.Const64(leases))
}

// keeping returns a policy that extends by d, whatever happens, so that it is
// asked again and again. n tells it from its like.
func keeping(d time.Duration, n int) []byte {
	m := wasmtest.Guest(leasing(d), wasmtest.Returns("on_timeout", extendBy(d)))
	m.Data = append(m.Data, wasmtest.Data{Offset: 32 << 10, Bytes: fmt.Appendf(nil, "policy %d", n)})
	return m.Bytes()
}

// witness reads the decisions of a tenant as they are made.
type witness struct {
	mu   sync.Mutex // guards the following
	seen []api.Decision
}

func newWitness(t *testing.T, c *client.Client, tenant string) *witness {
	t.Helper()
	w := &witness{}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Decisions(ctx, tenant, func(d api.Decision) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.seen = append(w.seen, d)
			return nil
		})
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return w
}

// since returns the decisions of a role that were made at or after a moment.
func (w *witness) since(at time.Time, role string) []api.Decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []api.Decision
	for _, d := range w.seen {
		if d.Role == role && !d.At.Before(at) {
			list = append(list, d)
		}
	}
	return list
}

// open returns the IDs of a tenant's open connections.
func open(t *testing.T, o operator, tenant string) (ids []uint64) {
	t.Helper()
	var page api.Page[api.Connection]
	o.read(&page, "conns", "-t", tenant, "--side", "accepted")
	for _, c := range page.Items {
		ids = append(ids, c.ID)
	}
	return ids
}

// TestRolloutUnderLoad changes the rollout of a tenant 200 times while its
// clients go on: no connection is closed, no request lost, and the next
// question is the new version's.
func TestRolloutUnderLoad(t *testing.T) {
	cert := newCertificate(t, "a.example")
	back := newBackend(t)
	back.mux.HandleFunc("/ws", echo)
	back.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a") })
	h, o := startTown(t, clearAndTLS(cert))
	o.do("tenant", "set", "a", "--upstream", back.url("http"), "--floor", "20ms")
	const versions = 4
	var digests []string
	for i := range versions {
		digests = append(digests, o.push("a", fmt.Sprintf("keeping%d.wasm", i), keeping(time.Duration(30+i)*time.Millisecond, i)))
	}
	o.do("policy", "promote", "-t", "a", "keeping0.wasm") // what comes later is asked soon
	f := startTraffic(t, h.Addrs[0], h.Addrs[1], cert)
	hosttest.Until(t, "all have been answered", func() bool { return f.good.Load() > int64(10*f.open) })
	before := open(t, o, "a")
	if len(before) != f.open {
		t.Fatalf("%d connections are open, want %d", len(before), f.open)
	}

	// Once by hand, as people do it.
	o.do("policy", "shadow", "-t", "a", "keeping1.wasm")
	o.do("policy", "canary", "-t", "a", "keeping1.wasm", "--percent", "50")
	o.do("policy", "promote", "-t", "a")
	for line := range strings.Lines(o.do("policy", "logs", "-t", "a", "-n", "30")) {
		if !strings.Contains(line, "active "+digests[1][:12]) {
			t.Errorf("after the promotion: %s", line)
		}
	}
	o.do("policy", "rollback", "-t", "a", "keeping1.wasm")

	c := dial(t, h, "")
	w := newWitness(t, c, "a")
	const changes = 200
	for i := 0; i < changes; i += 4 {
		old, next := digests[i/4%versions], digests[(i/4+1)%versions]
		for n, take := range []func() (*api.Rollout, error){
			func() (*api.Rollout, error) {
				return c.Step(t.Context(), "a", api.Step{Kind: api.StepShadow, Digest: next}, api.Precondition{})
			},
			func() (*api.Rollout, error) {
				return c.Step(t.Context(), "a", api.Step{Kind: api.StepCanary, Digest: next, Percent: 50}, api.Precondition{})
			},
			func() (*api.Rollout, error) {
				return c.Step(t.Context(), "a", api.Step{Kind: api.StepPromote, Digest: next}, api.Precondition{})
			},
			func() (*api.Rollout, error) { // every other version stays
				if i/4%2 == 0 {
					return c.Step(t.Context(), "a", api.Step{Kind: api.StepShadow, Digest: old}, api.Precondition{})
				}
				return c.Step(t.Context(), "a", api.Step{Kind: api.StepRollback, Digest: next}, api.Precondition{})
			},
		} {
			r, err := take()
			if err != nil {
				t.Fatalf("change %d: %v", i+n, err)
			}
			w.sees(t, time.Now(), r.Active.Digest, i%20 == 0)
		}
		if i/4%2 == 1 { // old is in charge: have next be it in the next round
			if _, err := c.Step(t.Context(), "a", api.Step{Kind: api.StepPromote, Digest: next}, api.Precondition{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	good := f.good.Load()
	hosttest.Until(t, "clients go on", func() bool { return f.good.Load() > good+int64(f.open) })
	if after := open(t, o, "a"); !slices.Equal(before, after) {
		t.Errorf("open before: %v, after: %v", before, after)
	}
	f.end()
	// Questions that come at once may find the policy busy, nothing else.
	busy := h.Metric(t, "host_policy_faults_total", `tenant="a"`, `cause="busy"`)
	if n := h.Metric(t, "host_policy_faults_total", `tenant="a"`); n > busy {
		t.Errorf("%v questions were not answered by a policy", n-busy)
	}
	t.Logf("%d answers on %d connections, %d decisions seen, %v found the policy busy",
		f.good.Load(), f.open, len(w.since(time.Time{}, api.StateActive)), busy)
}

// sees holds the active version's decisions since a moment to a digest; it
// waits for some where it is patient.
func (w *witness) sees(t *testing.T, since time.Time, digest string, patient bool) {
	t.Helper()
	if patient {
		hosttest.Until(t, "decisions are made", func() bool { return len(w.since(since, api.StateActive)) >= 5 })
	}
	for _, d := range w.since(since, api.StateActive) {
		if d.Version != digest {
			t.Errorf("%v after %.12s was put in charge: %+v", d.At.Sub(since), digest, d)
		}
	}
}

// sidesOf returns the version of each client of tenant a; none has two.
func sidesOf(t *testing.T, o operator) map[string]string {
	t.Helper()
	var page api.Page[api.Connection]
	o.read(&page, "conns", "-t", "a", "--side", "accepted", "--limit", "0")
	sides := map[string]string{}
	for _, c := range page.Items {
		ip, _, err := net.SplitHostPort(c.Peer)
		if err != nil {
			t.Fatal(err)
		}
		if old, ok := sides[ip]; ok && old != c.Version {
			t.Errorf("client %s is on both sides", ip)
		}
		sides[ip] = c.Version
	}
	return sides
}

// TestCanarySide: a client stays on its side, on all of its connections, over
// restarts, and as the percentage grows.
func TestCanarySide(t *testing.T) {
	dir := t.TempDir()
	start := func() (*hosttest.Host, operator) {
		h := startHost(t, naming(t, "a"), "--store", dir)
		return h, newOperator(t, h)
	}
	const clients = 100
	visit := func(h *hosttest.Host) {
		for i := range clients {
			for range 2 {
				if got := askOn(connect(t, fmt.Sprintf("127.0.1.%d", i+1), h.Addr))("a.example"); got != "a" {
					t.Fatalf("client %d: %s", i, got)
				}
			}
		}
	}
	h, o := start()
	o.do("tenant", "create", "a", "--host", "a.example")
	active := o.push("a", "one.wasm", keeping(time.Minute, 1), "--promote")
	canary := o.push("a", "two.wasm", keeping(time.Minute, 2), "--canary", "30")
	visit(h)
	first := sidesOf(t, o)
	n := 0
	for ip, version := range first {
		if version == canary {
			n++
		} else if version != active {
			t.Errorf("client %s: version %q", ip, version)
		}
	}
	if len(first) != clients || n < 12 || n > 50 { // 4 standard deviations
		t.Errorf("%d of %d clients are the canary's, want about 30 %%", n, len(first))
	}
	h.Signal(t, syscall.SIGTERM)
	h.Exit(t)

	h, o = start()
	visit(h)
	for ip, version := range sidesOf(t, o) {
		if first[ip] != version {
			t.Errorf("client %s: %.12s after the restart, %.12s before", ip, version, first[ip])
		}
	}
	o.do("policy", "canary", "-t", "a", "--percent", "60")
	more := 0
	for ip, version := range sidesOf(t, o) {
		switch {
		case version == canary:
			more++
		case first[ip] == canary:
			t.Errorf("client %s has left the canary as that grew", ip)
		}
	}
	if more <= n || more < 40 {
		t.Errorf("%d clients at 60 %%, %d at 30 %%", more, n)
	}
}

// sickRoute is the class of requests after which sick traps: no check looks
// there.
const sickRoute = 61

func sick() []byte {
	return wasmtest.Guest(leasing(50*time.Millisecond), wasmtest.Hook("on_timeout",
		wasmtest.Load16(wasmtest.Buffer+abi.EventRouteOffset), wasmtest.Extend(), wasmtest.Const64(sickRoute), wasmtest.Equal64(),
		wasmtest.If(wasmtest.Unreachable()), wasmtest.Const64(extendBy(50*time.Millisecond)),
	)).Bytes()
}

// TestAutomaticRollback: a canary that passes every check and fails in
// production is taken back, the reason is told, and nobody loses a connection.
func TestAutomaticRollback(t *testing.T) {
	h, o := startTown(t, fmt.Sprintf("[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\nprefix = \"/\"\nclass = %d\n", sickRoute))
	o.do("tenant", "set", "a", "--guard-min-samples", "20", "--floor", "20ms")
	active := o.push("a", "good.wasm", keeping(50*time.Millisecond, 1), "--promote")
	bad := o.push("a", "sick.wasm", sick(), "--canary", "50")
	var askers []asker
	for i := range 60 {
		ask := askOn(connect(t, fmt.Sprintf("127.0.2.%d", i+1), h.Addr))
		askers = append(askers, ask)
		if got := ask("a.example"); got != "a" {
			t.Fatalf("client %d: %s", i, got)
		}
	}
	before := open(t, o, "a")
	hosttest.Until(t, "the canary is taken back", func() bool { return o.rollout("a").Canary == nil })
	r := o.rollout("a")
	if v := r.Rollback; v == nil || !v.Automatic || v.Digest != bad || !strings.HasPrefix(v.Reason, "faults: ") || r.Active.Digest != active {
		t.Errorf("rollout: %+v, verdict %+v", r, r.Rollback)
	}
	if text := o.do("policy", "show", "-t", "a"); !strings.Contains(text, bad[:12]+", by the guard, ") || !strings.Contains(text, "faults: ") {
		t.Errorf("people are shown %s", text)
	}
	var audit api.Page[api.Entry]
	o.read(&audit, "audit", "-t", "a")
	if e := audit.Items[0]; e.Action != "rollout.revert" || e.Actor != "guard" || e.Digest != bad || !strings.Contains(e.Detail, "faults: ") {
		t.Errorf("audit log: %+v", e)
	}
	h.Line(t, "canary taken back", `"tenant":"a"`, "faults: ")
	for i, ask := range askers {
		if got := ask("a.example"); got != "a" {
			t.Errorf("client %d, after it: %s", i, got)
		}
	}
	if after := open(t, o, "a"); !slices.Equal(before, after) {
		t.Errorf("open before: %v, after: %v", before, after)
	}
	for ip, version := range sidesOf(t, o) {
		if version != active {
			t.Errorf("client %s is asked about by %s", ip, version)
		}
	}
}
