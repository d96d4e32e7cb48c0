package observe

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
)

// said returns how many of n ends of a tenant's connections are told.
func said(l *Lines, out *bytes.Buffer, tenant string, n int) int {
	out.Reset()
	for range n {
		e := endOf(policy.ReasonDefault)
		e.Account = account(tenant)
		l.Ended(e)
	}
	return strings.Count(out.String(), `msg="connection closed" tenant=`+tenant+" ")
}

func TestATenantsOwnRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := NewLines(LinesConfig{Logger: slog.New(slog.NewTextHandler(&out, nil)), Rate: 2, Burst: 2})
		l.SetTenantRate("loud", 5, 20)
		l.SetTenantRate("poor", 1, 0)
		for tenant, want := range map[string]int{"loud": 20, "poor": 1, "plain": 2} {
			if n := said(l, &out, tenant, 30); n != want {
				t.Errorf("%s: %d lines, want %d", tenant, n, want)
			}
		}
		l.SetTenantRate("loud", 5, 20) // again, and nothing changes
		l.SetRate(3, 3)                // for those that have none of their own
		if n := said(l, &out, "loud", 30); n != 0 {
			t.Errorf("loud: a new burst of %d", n)
		}
		if n := said(l, &out, "plain", 30); n != 3 {
			t.Errorf("plain: %d lines, want 3", n)
		}
		time.Sleep(time.Second - 2) // rate.Limiter rounds to a nanosecond
		if n := said(l, &out, "poor", 1); n != 0 {
			t.Error("poor: before its time")
		}
		time.Sleep(2)
		if n := said(l, &out, "poor", 1); n != 1 {
			t.Error("poor: not in time")
		}
		l.SetTenantRate("poor", 0, 0)
		if n := said(l, &out, "poor", 30); n != 3 {
			t.Errorf("poor, with the host's rate: %d lines, want 3", n)
		}
		l.Forget("loud")
		if n := said(l, &out, "loud", 30); n != 3 {
			t.Errorf("forgotten: %d lines, want 3", n)
		}
	})
}

// Tenants do not share what is left of one's rate, however many there are; and
// those that are quiet are not kept.
func TestRatesOfManyTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := NewLines(LinesConfig{Logger: slog.New(slog.NewTextHandler(&out, nil)), Rate: 1, Burst: 2})
		for i := range 3_000 {
			if n := said(l, &out, fmt.Sprint("t", i), 2); n != 2 {
				t.Fatalf("tenant %d: %d lines, want 2", i, n)
			}
		}
		if n := said(l, &out, "t0", 1); n != 0 {
			t.Error("t0 has another burst")
		}
		time.Sleep(2 * time.Second)
		for i := range 9_000 {
			said(l, &out, fmt.Sprint("u", i), 1)
			if i%300 == 0 {
				time.Sleep(time.Second)
			}
		}
		if n := len(l.quotas.tenants); n > 6_000 {
			t.Errorf("%d are kept", n)
		}
		out.Reset()
		if l.Flush(); strings.Count(out.String(), "left out") != 1 {
			t.Errorf("what t0 left out is forgotten: %s", out.String())
		}
	})
}

// TestSuppressedLinesAreToldOnceASecond: however often a line gets through.
func TestSuppressedLinesAreToldOnceASecond(t *testing.T) {
	q, now := newQuotas(), time.Unix(1_000_000, 0)
	q.setRate(newLineRate(1000, 1))
	line := func(at time.Duration) (told uint64) {
		for ok := true; ok; {
			var n uint64
			n, ok = q.take("shop", now.Add(at))
			told += n
		}
		return told
	}
	if n := line(0); n != 0 {
		t.Errorf("told of %d lines before any was suppressed", n)
	}
	if n := line(time.Millisecond); n != 1 {
		t.Errorf("told of %d lines, want 1", n)
	}
	if n := line(time.Millisecond + toldEvery - time.Nanosecond); n != 0 {
		t.Errorf("told of %d lines too early", n)
	}
	if n := line(2*time.Millisecond + toldEvery); n != 2 {
		t.Errorf("told of %d lines, want 2", n)
	}
}
