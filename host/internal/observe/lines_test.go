package observe

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func endOf(reason policy.Reason) *idle.End {
	return &idle.End{
		Account: account("shop"), ID: 9, Protocol: abi.ProtocolHTTP1, Phase: abi.PhaseIdle, Reason: reason,
		Verdict: policy.Verdict{Source: policy.SourcePolicy, Action: abi.ActionClose, Reason: 3},
		Peer:    netip.MustParseAddrPort("192.0.2.1:4711"),
		Age:     61 * time.Second, Idle: 30*time.Second + 12*time.Millisecond + 300, Deadline: 30 * time.Second,
		Asks: 2, Requests: 4, BytesIn: 100, BytesOut: 2000,
	}
}

func TestEndLineIsExplained(t *testing.T) {
	var out bytes.Buffer
	l := NewLines(LinesConfig{
		Logger: slog.New(slog.NewJSONHandler(&out, nil)),
		Digest: func(tenant string, role policy.Role) string { return "abc-" + tenant + "-" + role.String() },
	})
	l.Ended(endOf(policy.ReasonPolicy))
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: the line is no JSON: %s", err, out.String())
	}
	for key, want := range map[string]any{
		"msg": "connection closed", "level": "INFO", "tenant": "shop", "policy": "abc-shop-active", "role": "active", "conn": 9.0,
		"side": "accepted", "protocol": "http1", "phase": "idle", "reason": "policy", "idle": "30.012s", "age": "1m1s",
		"asks": 2.0, "deadline": "30s", "bytes_in": 100.0, "bytes_out": 2000.0, "requests": 4.0, "unread": 0.0,
		"peer": "192.0.2.1:4711", "explain": "idle 30.012s in phase idle; policy said close (reason 3)",
	} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	for reason, want := range map[policy.Reason]string{
		policy.ReasonPeer:     "the peer closed",
		policy.ReasonLocal:    "protocol",
		policy.ReasonClamp:    "ceiling",
		policy.ReasonDefault:  "operator's timeout ended it: policy left it",
		policy.ReasonProgress: "too slow: 100 bytes in and 2000 out in 1m1s",
		policy.ReasonPressure: "full",
		policy.ReasonDrain:    "shutting down",
		policy.ReasonError:    "error",
	} {
		if got := explain(endOf(reason)); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
	e := endOf(policy.ReasonDefault)
	e.Verdict = policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultTrap}
	if got := explain(e); !strings.Contains(got, "policy failed (trap)") {
		t.Errorf("fallback: %q", got)
	}
	e.Verdict = policy.Verdict{}
	if got := explain(e); !strings.HasSuffix(got, "the operator's timeout ended it") {
		t.Errorf("native: %q", got)
	}
	refused := &idle.End{Reason: policy.ReasonPolicy, Asks: 1, Verdict: policy.Verdict{Action: abi.ActionClose, Reason: 8}}
	if got := explain(refused); !strings.Contains(got, "refused it (reason 8)") {
		t.Errorf("refused: %q", got)
	}
}

func TestOnlyTheHostsOwnEndsAreInfo(t *testing.T) {
	var out bytes.Buffer
	l := NewLines(LinesConfig{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	l.Ended(endOf(policy.ReasonPeer))
	l.Ended(endOf(policy.ReasonLocal))
	l.Ended(endOf(policy.ReasonError))
	if out.Len() != 0 {
		t.Errorf("logged at info: %s", out.String())
	}
	e := endOf(policy.ReasonPeer)
	e.Log = true
	l.Ended(e)
	if !strings.Contains(out.String(), "reason=peer") {
		t.Error("the line that the policy asked for is missing")
	}
}

func TestDecisionLine(t *testing.T) {
	var out bytes.Buffer
	l := NewLines(LinesConfig{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	ask := askOf(abi.KindTimeout, abi.PhaseTunnel)
	v := policy.Verdict{Action: abi.ActionExtend, Deadline: 90 * time.Second, Reason: 5}
	l.Asked(account("shop"), ask, v, time.Microsecond)
	if out.Len() != 0 {
		t.Fatalf("logged without being asked to: %s", out.String())
	}
	v.Log = true
	l.Asked(account("shop"), ask, v, time.Microsecond)
	if s := out.String(); !strings.Contains(s, "event=timeout") || !strings.Contains(s, "phase=tunnel action=extend deadline=1m30s reason=5") {
		t.Errorf("line = %s", s)
	}
}

func TestRateOfLinesPerTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		m := NewMetrics("v1")
		l := NewLines(LinesConfig{Logger: slog.New(slog.NewTextHandler(&out, nil)), Rate: 2, Burst: 3, Metrics: m})
		end := func() int {
			out.Reset()
			l.Ended(endOf(policy.ReasonDefault))
			return strings.Count(out.String(), "msg=\"connection closed\"")
		}
		if n := end() + end() + end() + end() + end(); n != 3 {
			t.Fatalf("burst of %d lines, want 3", n)
		}
		other := endOf(policy.ReasonDefault)
		other.Account = account("other")
		if l.Ended(other); !strings.Contains(out.String(), "tenant=other") {
			t.Error("one tenant's lines cost another's")
		}
		time.Sleep(500*time.Millisecond - 1)
		if n := end(); n != 0 {
			t.Error("line before its time")
		}
		time.Sleep(1)
		if n := end(); n != 1 || !strings.Contains(out.String(), `msg="connection lines left out" tenant=shop lines=3`) {
			t.Errorf("after half a second: %s", out.String())
		}
		end()
		out.Reset()
		l.Flush()
		if !strings.Contains(out.String(), "tenant=shop lines=1") {
			t.Errorf("flush: %s", out.String())
		}
		wants(t, scrape(t, m), `host_log_suppressed_lines_total{tenant="shop"} 4`)
		l.SetRate(0, 0)
		for range 100 {
			if end() != 1 {
				t.Fatal("a line was left out without a rate")
			}
		}
	})
}

func TestHammerLines(t *testing.T) {
	w := NewWriter(discard{})
	defer w.Close()
	m := NewMetrics("v1")
	l := NewLines(LinesConfig{Logger: slog.New(slog.NewTextHandler(w, nil)), Rate: 1000, Metrics: m})
	both := Observers{m, l}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				both.Ended(endOf(policy.ReasonDefault))
				both.Late(account("shop"), 1, time.Millisecond, i%2 == 0)
				both.Reused(account("shop"), time.Second)
				both.Asked(account("shop"), askOf(abi.KindAccept, abi.PhaseIdle), policy.Verdict{Log: true}, 1)
				if i%100 == 0 {
					l.Flush()
					l.SetRate(i, 10)
				}
			}
		})
	}
	wg.Wait()
	wants(t, scrape(t, m), `host_idle_late_requests_total{kind="lost",tenant="shop"} 1000`)
}

// TestWhatPoliciesSay is at the tenant's rate, however many guests it has.
func TestWhatPoliciesSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		m := NewMetrics("v1")
		l := NewLines(LinesConfig{Logger: slog.New(slog.NewTextHandler(&out, nil)), Rate: 2, Burst: 3, Metrics: m})
		for range 5 {
			l.Said(account("shop"), "shop/abc", slog.LevelWarn, "a=b\nc")
			l.Said(account("shop"), "shop/abc", slog.LevelDebug, "nobody wants to know")
		}
		const want = `level=WARN msg="policy says" tenant=shop policy=shop/abc text="a=b\nc"`
		if n := strings.Count(out.String(), want); n != 3 || strings.Contains(out.String(), "nobody") {
			t.Errorf("%d lines, want 3:\n%s", n, out.String())
		}
		wants(t, scrape(t, m), `host_log_suppressed_lines_total{tenant="shop"} 2`)
	})
}
