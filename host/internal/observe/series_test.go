package observe

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// everything makes every series of a tenant.
func everything(m *Metrics, a *idle.Account) {
	for k := range kinds {
		ask := askOf(abi.Kind(k), abi.PhaseIdle)
		m.Asked(a, ask, policy.Verdict{Source: policy.SourcePolicy, Action: abi.ActionClose}, 1)
		m.Asked(a, ask, policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultTrap}, 1)
	}
	m.Reused(a, time.Second)
	m.Late(a, 1, 0, true)
	m.Late(a, 1, 0, false)
	m.Returned(a, 1, 0)
	m.Ended(&idle.End{Account: a})
	m.Loaded(a.Name, policy.FaultNone)
	m.named(a.Name).leftOut().Inc()
}

func TestATenantHasTheSeriesItNeeds(t *testing.T) {
	m := NewMetrics("v1")
	m.Asked(account("shop"), askOf(abi.KindAccept, abi.PhaseIdle), policy.Verdict{}, 1)
	if text := scrape(t, m); strings.Count(text, `tenant="shop"`) != 1+21 { // a counter, and a histogram of 18 buckets with what it adds
		for line := range strings.Lines(text) {
			if strings.Contains(line, "shop") {
				t.Log(strings.TrimSpace(line))
			}
		}
		t.Error("series that nobody asked for")
	}
}

func TestForgottenTenantsLeaveNothing(t *testing.T) {
	m := NewMetrics("v1")
	before := scrape(t, m)
	for i := range 2 * maxTenants {
		a := account(fmt.Sprint("t", i))
		everything(m, a)
		if text := scrape(t, m); i%100 == 0 && !strings.Contains(text, `tenant="`+a.Name+`"`) {
			t.Fatalf("tenant %d is not told apart", i)
		}
		a.Retire(policy.ReasonDrain)
		m.Forget(a.Name)
		m.Forget(a.Name)
		if i%100 == 0 {
			m.Late(a, 1, 0, true) // what comes too late
		}
	}
	text := scrape(t, m)
	if strings.Contains(text, `tenant="t`) || strings.Contains(before, `tenant="`) {
		t.Error("forgotten tenants are shown")
	}
	wants(t, text, `host_idle_late_requests_total{kind="lost",tenant="_other"} 6`)
	if m.known != 0 {
		t.Errorf("%d are known", m.known)
	}
}

func TestHammerSeries(t *testing.T) {
	m := NewMetrics("v1")
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 300 {
				a := account(fmt.Sprint("t", (i+w)%7))
				everything(m, a)
				if i%3 == 0 {
					m.Forget(a.Name)
				}
			}
		})
	}
	wg.Wait()
	for i := range 7 {
		m.Forget(fmt.Sprint("t", i))
	}
	// One that was counted while it was forgotten is counted with the others.
	m.tenants.Range(func(name, _ any) bool {
		if name != otherTenant {
			t.Errorf("%v is left", name)
		}
		return true
	})
	if m.known != 0 {
		t.Errorf("%d are known", m.known)
	}
}

func TestRolloutsAreCounted(t *testing.T) {
	m := NewMetrics("v1")
	wants(t, scrape(t, m), `host_policy_uploads_total{outcome="busy"} 0`, `host_rollout_steps_total{step="canary"} 0`)
	m.WatchTenants(func() int { return 10_000 }, func() int { return 7 })
	m.Uploaded(UploadRefused)
	m.Uploaded("whatever a client says")
	m.Stepped("canary")
	m.Stepped("whatever a client says")
	m.Reverted()
	text := scrape(t, m)
	wants(t, text, `host_policy_uploads_total{outcome="refused"} 1`, `host_policy_uploads_total{outcome="error"} 1`,
		`host_rollout_steps_total{step="canary"} 1`, `host_rollout_automatic_rollbacks_total 1`,
		`host_app_known_tenants 10000`, `host_policy_loaded_guests 7`)
	if strings.Contains(text, "whatever") {
		t.Error("labels that anybody can choose")
	}
}

// BenchmarkSeries says what a tenant's metrics hold: one that has been seen,
// and one that everything has happened to.
func BenchmarkSeries(b *testing.B) {
	for name, see := range map[string]func(*Metrics, *idle.Account){
		"seen": func(m *Metrics, a *idle.Account) { m.of(a) },
		"connected": func(m *Metrics, a *idle.Account) {
			m.Asked(a, askOf(0, 0), policy.Verdict{}, 1)
			m.Ended(&idle.End{Account: a})
		},
		"everything": everything,
	} {
		b.Run(name, func(b *testing.B) {
			var bytes float64
			for b.Loop() {
				m := NewMetrics("v1")
				var accounts []*idle.Account
				for i := range maxTenants {
					accounts = append(accounts, account(fmt.Sprint("t", i)))
				}
				before := heap()
				for _, a := range accounts {
					see(m, a)
				}
				bytes = float64(heap()-before) / maxTenants
				runtime.KeepAlive(m)
				runtime.KeepAlive(accounts)
			}
			b.ReportMetric(bytes, "B/tenant")
		})
	}
}

func heap() int {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}
