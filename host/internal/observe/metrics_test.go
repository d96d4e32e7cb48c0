package observe

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// none has no connections.
type none struct{}

func (none) Each(func(*idle.Conn) bool) {}
func (none) Parked() int                { return 0 }

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, l+"\n") {
			t.Errorf("no line %s", l)
		}
	}
}

func account(name string) *idle.Account {
	return idle.NewAccount(name, policyDecider{}, nil, policy.Timeouts{}, policy.Limits{})
}

type policyDecider struct{}

func (policyDecider) Decide(*policy.Ask) policy.Verdict { return policy.Verdict{} }

func askOf(k abi.Kind, p abi.Phase) *policy.Ask {
	return &policy.Ask{Event: policy.Event{Kind: uint8(k), Phase: uint8(p)}}
}

func TestMetricsCountWhatHappens(t *testing.T) {
	m, a := NewMetrics("v1"), account("shop")
	ask := askOf(abi.KindTimeout, abi.PhaseIdle)
	m.Asked(a, ask, policy.Verdict{Source: policy.SourcePolicy, Action: abi.ActionClose}, 300*time.Nanosecond)
	m.Asked(a, ask, policy.Verdict{Source: policy.SourcePolicy, Action: abi.ActionExtend}, time.Microsecond)
	m.Asked(a, ask, policy.Verdict{Source: policy.SourceNative}, time.Microsecond)
	m.Asked(a, ask, policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultTrap}, time.Microsecond)
	m.Reused(a, 10*time.Second)
	m.Late(a, 1, time.Millisecond, true)
	m.Late(a, 1, time.Millisecond, false)
	m.Ended(&idle.End{Account: a, Phase: abi.PhaseIdle, Reason: policy.ReasonPolicy, BytesIn: 5, BytesOut: 7, Requests: 2})
	m.Loaded("shop", policy.FaultNone)
	m.Loaded("shop", policy.FaultCompile)
	m.Charged("shop", 1250*time.Millisecond)
	m.Charged("shop", 250*time.Millisecond)
	m.Reloaded(nil)
	wants(t, scrape(t, m),
		`host_policy_asks_total{event="timeout",outcome="close",tenant="shop"} 1`,
		`host_policy_asks_total{event="timeout",outcome="extend",tenant="shop"} 1`,
		`host_policy_asks_total{event="timeout",outcome="native",tenant="shop"} 1`,
		`host_policy_asks_total{event="timeout",outcome="fallback",tenant="shop"} 1`,
		`host_policy_faults_total{cause="trap",tenant="shop"} 1`,
		`host_policy_ask_duration_seconds_count{event="timeout",tenant="shop"} 4`,
		`host_policy_ask_duration_seconds_bucket{event="timeout",tenant="shop",le="4e-07"} 1`,
		`host_idle_reused_gap_seconds_bucket{tenant="shop",le="8.192"} 0`,
		`host_idle_reused_gap_seconds_bucket{tenant="shop",le="16.384"} 1`,
		`host_idle_late_requests_total{kind="lost",tenant="shop"} 1`,
		`host_idle_late_requests_total{kind="reconnected",tenant="shop"} 1`,
		`host_idle_closed_connections_total{phase="idle",reason="policy",side="accepted",tenant="shop"} 1`,
		`host_idle_transferred_bytes_total{direction="out",side="accepted",tenant="shop"} 7`,
		`host_idle_served_requests_total{side="accepted",tenant="shop"} 2`,
		`host_policy_loads_total{outcome="ok",tenant="shop"} 1`,
		`host_policy_loads_total{outcome="compile",tenant="shop"} 1`,
		`host_policy_processor_seconds_total{tenant="shop"} 1.5`,
		`host_app_reloads_total{outcome="ok"} 1`,
		`host_build_info{version="v1"} 1`,
	)
}

func TestOpenConnectionsAreWalkedAtScrape(t *testing.T) {
	m := NewMetrics("v1")
	g := idle.New(idle.Config{Shards: 1})
	defer g.Close()
	w := NewWriter(discard{})
	defer w.Close()
	m.Watch(g, NewProcess(), w)
	m.WatchConnLimits(g)
	if text := scrape(t, m); strings.Contains(text, "host_idle_open_connections{") {
		t.Errorf("open connections of an empty governor")
	}
	c, end := open(t, g, account("shop"))
	wants(t, scrape(t, m), fmt.Sprintf(`host_idle_open_connections{phase="%s",protocol="unknown",side="accepted",tenant="shop"} 1`, c.Phase()))
	end()
	text := scrape(t, m)
	if strings.Contains(text, "host_idle_open_connections{") {
		t.Errorf("open connections after the last one closed")
	}
	wants(t, text, `host_log_dropped_lines_total{tenant=""} 0`)
	wants(t, text, `host_idle_parked_connections 0`)
	wants(t, text, `host_idle_allowed_descriptors 0`)
	wants(t, text, `host_idle_evicted_connections_total{cause="memory"} 0`)
	wants(t, text, `host_idle_refused_connections_total{cause="descriptors"} 0`)
	if !strings.Contains(text, `host_process_pressure_ratio{kind="fds"}`) {
		t.Error("no pressure of file descriptors")
	}
}

func TestMetricNames(t *testing.T) {
	m := NewMetrics("v1")
	w := NewWriter(discard{})
	defer w.Close()
	m.Watch(none{}, NewProcess(), w)
	m.WatchTenants(func() int { return 2 }, func() int { return 3 })
	m.WatchStorage(func() Storage { return Storage{Used: 1, Tenants: []TenantStorage{{"a", 1, 2}}} })
	m.Ended(&idle.End{Account: account("a")})
	form := regexp.MustCompile(`^host_(idle|policy|rollout|app|log|process|build|store)(_[a-z]+)*_(total|seconds|ratio|connections|tenants|guests|bytes|info)$`)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		name := f.GetName()
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		if !form.MatchString(name) {
			t.Errorf("%s is not host_<room>_<noun>_<unit>", name)
		}
		if f.GetHelp() == "" || !strings.HasSuffix(f.GetHelp(), ".") && name != "host_build_info" {
			t.Errorf("%s: help %q is no sentence", name, f.GetHelp())
		}
	}
}

func TestTenantsAreBounded(t *testing.T) {
	m := NewMetrics("v1")
	for i := range maxTenants + 50 {
		m.Reused(account(fmt.Sprint("t", i)), time.Second)
	}
	text := scrape(t, m)
	if n := strings.Count(text, "host_idle_reused_gap_seconds_count{"); n != maxTenants+1 {
		t.Errorf("%d tenants told apart, want %d and the rest", n, maxTenants)
	}
	wants(t, text, `host_idle_reused_gap_seconds_count{tenant="_other"} 50`)
}

func TestHotMetricsAllocateNothing(t *testing.T) {
	m, a, ask := NewMetrics("v1"), account("a"), askOf(abi.KindTimeout, abi.PhaseIdle)
	v := policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultFuel}
	m.Reused(a, 0)
	if n := testing.AllocsPerRun(100, func() {
		m.Asked(a, ask, v, time.Microsecond)
		m.Reused(a, time.Second)
		m.Late(a, 1, 0, true)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
