package control_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// counting counts what is read of policies.
type counting struct {
	store.Store
	policies atomic.Int64
}

func (c *counting) Policy(ctx context.Context, digest string) (*store.Policy, error) {
	c.policies.Add(1)
	return c.Store.Policy(ctx, digest)
}

// TestAListReadsNoReports: a tenant with a hundred policies would have the host
// read five megabytes whenever it asks.
func TestAListReadsNoReports(t *testing.T) {
	var st *counting
	h := newHouseWith(t, func(s store.Store) store.Store {
		st = &counting{Store: s}
		return st
	})
	h.create("a", spec.Spec{})
	for i := range 10 {
		h.upload("a", fmt.Sprint("module ", i))
	}
	st.policies.Store(0)
	list, err := h.Policies(t.Context(), "a")
	if err != nil || len(list) != 10 {
		t.Fatalf("%d policies, %v", len(list), err)
	}
	if n := st.policies.Load(); n != 0 {
		t.Errorf("%d reports were read for a list", n)
	}
	if p := list[0]; p.Size != len("module 9") || p.Name != "module 9" || p.Report != nil {
		t.Errorf("first policy %+v, want module 9 without a report", p)
	}
}
