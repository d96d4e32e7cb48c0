package idle

import (
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// TestAnAnswerFindsItsConnectionAsleep: parked or stripped, it is ended or
// woken by its Sleeper as by any other answer.
func TestAnAnswerFindsItsConnectionAsleep(t *testing.T) {
	for _, c := range []struct {
		name  string
		strip time.Duration
		bytes bool
		want  policy.Reason
	}{
		{"parked", -1, false, policy.ReasonPolicy},
		{"stripped", time.Millisecond, false, policy.ReasonPolicy},
		{"waking", -1, true, woken},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := parking(t, Config{StripAfter: c.strip})
			l := &later{t: t}
			conn, far := admitted(t, g, NewAccount("acme", l, nil, testTimeouts, policy.Limits{}))
			s := newSleeper()
			park(t, conn, s)
			if c.strip > 0 {
				testnet.Eventually(t, "stripped", func() bool { return g.Stripped() == 1 })
			}
			if c.bytes {
				far.Write([]byte("GET"))
				s.wait(t, woken)
				if _, err := conn.Read(make([]byte, 9)); err != nil {
					t.Fatal(err)
				}
			}
			l.answer(closing)
			if !c.bytes {
				s.wait(t, policy.ReasonPolicy)
				return
			}
			if r, ok := conn.Ending(); ok {
				t.Fatalf("ended for %v within a request", r)
			}
			conn.Begin(0, false)
			conn.End()
			if r, ok := conn.Ending(); !ok || r != policy.ReasonPolicy {
				t.Errorf("ending %v for %v", ok, r)
			}
		})
	}
}

// TestAConnectionThatOnlySeemedToWakeLeaves: bytes below TLS that were of no use
// above it have it rest again, and a close in answer to accept is due.
func TestAConnectionThatOnlySeemedToWakeLeaves(t *testing.T) {
	g := parking(t, Config{StripAfter: -1})
	l := &later{t: t}
	c, far := admitted(t, g, NewAccount("acme", l, nil, testTimeouts, policy.Limits{}))
	far.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); err != nil || c.Phase() != abi.PhaseHeader {
		t.Fatal(err, c.Phase())
	}
	l.answer(closing)
	if r, ok := c.Ending(); ok {
		t.Fatalf("ended for %v within a request", r)
	}
	s := newSleeper()
	if !c.Park(s) {
		t.Fatal("not parked")
	}
	s.wait(t, policy.ReasonPolicy)
}
