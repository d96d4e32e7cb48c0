package main

import (
	"slices"
	"testing"
	"time"

	"idlehost/sdk/go/policytest"
)

func TestHello(t *testing.T) {
	h := &policytest.Host{Policy: hello{}}
	few := h.Visit(policytest.Visit{Client: 1, Gaps: []time.Duration{time.Second}})
	many := h.Visit(policytest.Visit{Client: 2, Gaps: slices.Repeat([]time.Duration{time.Second}, 9)})
	if !slices.Equal(few.Cuts, []time.Duration{5 * time.Second}) {
		t.Errorf("after 2 requests closed at %v, want 5s", few.Cuts)
	}
	if !slices.Equal(many.Cuts, []time.Duration{time.Minute}) {
		t.Errorf("after 10 requests closed at %v, want 1m0s", many.Cuts)
	}
}
