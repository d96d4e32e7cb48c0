package policytest

import (
	"reflect"
	"testing"
	"time"

	policy "idlehost/sdk/go"
)

// script answers from functions and records what it was asked.
type script struct {
	lease   time.Duration
	first   time.Duration
	refuse  bool
	timeout func(*policy.Event) policy.Verdict
	idles   []time.Duration
	closed  int
}

func (s *script) Accept(e *policy.Event) policy.Verdict {
	if s.lease > 0 {
		e.SetLease(policy.PhaseIdle, s.lease)
	}
	if s.first > 0 {
		return policy.Extend(s.first)
	}
	if s.refuse {
		return policy.Close()
	}
	return policy.Default()
}

func (s *script) Timeout(e *policy.Event) policy.Verdict {
	s.idles = append(s.idles, e.Idle())
	return s.timeout(e)
}

func (s *script) Close(*policy.Event) { s.closed++ }

func closes(*policy.Event) policy.Verdict { return policy.Close() }

func TestHostHoldsTheLease(t *testing.T) {
	s := &script{lease: 5 * time.Second, timeout: closes}
	h := &Host{Policy: s}
	r := h.Visit(Visit{Client: 1, Gaps: []time.Duration{time.Second, 5*time.Second - 1, 5 * time.Second}, Leaves: 2 * time.Second})
	want := Report{
		Requests: 4, Reconnects: 1, Asks: 1,
		Held: 13*time.Second - 1, Cuts: []time.Duration{5 * time.Second},
	}
	if !reflect.DeepEqual(*r, want) {
		t.Errorf("got  %+v\nwant %+v", *r, want)
	}
	if s.closed != 2 {
		t.Errorf("%d connections closed, want 2", s.closed)
	}
	if got := r.Cost(time.Minute); got != r.Held+time.Minute {
		t.Errorf("cost %v", got)
	}
}

func TestHostClamps(t *testing.T) {
	s := &script{lease: time.Second, timeout: func(*policy.Event) policy.Verdict { return policy.Extend(time.Nanosecond) }}
	h := &Host{Policy: s, Floor: 2 * time.Second, Ceiling: 6 * time.Second}
	r := h.Visit(Visit{Client: 1})
	want := []time.Duration{1 * time.Second, 3 * time.Second, 5 * time.Second, 6 * time.Second}
	if !reflect.DeepEqual(s.idles, want) {
		t.Errorf("asked at %v, want %v", s.idles, want)
	}
	if r.Held != 6*time.Second {
		t.Errorf("held %v, want the ceiling", r.Held)
	}
}

func TestHostExtendsAtAccept(t *testing.T) {
	h := &Host{Policy: &script{lease: time.Second, first: 3 * time.Second, timeout: closes}}
	r := h.Visit(Visit{Client: 1, Gaps: []time.Duration{2 * time.Second}})
	if want := []time.Duration{time.Second}; !reflect.DeepEqual(r.Cuts, want) || r.Held != 3*time.Second {
		t.Errorf("cuts %v, held %v; want the first gap outlived, then the lease", r.Cuts, r.Held)
	}
}

func TestHostRefuses(t *testing.T) {
	h := &Host{Policy: &script{refuse: true}}
	if r := h.Visit(Visit{Client: 1, Gaps: []time.Duration{time.Second}}); r.Refused != 2 || r.Held != 0 {
		t.Errorf("got %+v", *r)
	}
}

func TestHostKeepsBooks(t *testing.T) {
	h := &Host{}
	var seen []policy.Event
	h.Policy = &script{lease: time.Second, timeout: func(e *policy.Event) policy.Verdict {
		seen = append(seen, *e)
		return policy.Close()
	}}
	h.Visit(Visit{Client: 1, Gaps: []time.Duration{500 * time.Millisecond, 4 * time.Second, 2 * time.Second}})
	if len(seen) != 3 {
		t.Fatalf("asked %d times", len(seen))
	}
	e := seen[1]
	want := []struct {
		d    time.Duration
		kind policy.GapKind
	}{
		{4 * time.Second, policy.GapReturned}, // cut at 1 s, and back after 4
		{500 * time.Millisecond, policy.GapReturned},
	}
	for i, w := range want {
		if d, kind, ok := e.Gap(i); d != w.d || kind != w.kind || !ok {
			t.Errorf("gap %d: %v %v %v, want %v", i, d, kind, ok, w)
		}
	}
	if d, _, ok := e.Gap(2); ok {
		t.Errorf("a third gap: %v", d)
	}
	var cuts uint32
	for _, n := range e.Gaps.Cut {
		cuts += n
	}
	if cuts != 0 {
		t.Errorf("histogram still counts a cut that was answered")
	}
	if e.ClientConns != 2 || seen[2].ClientConns != 3 {
		t.Errorf("connections %d, then %d", e.ClientConns, seen[2].ClientConns)
	}
}
