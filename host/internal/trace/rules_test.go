package trace

import (
	"bytes"
	"testing"

	"idlehost/sdk/abi"
)

// TestRulesOfEitherSide: a tenant's clients and its upstreams are under
// different laws.
func TestRulesOfEitherSide(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, Header{Start: 1, Granularity: 1e7, Sample: 65536}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []abi.Side{abi.SideDialled, abi.SideAccepted} {
		if err := w.Write(&Record{Kind: KindRules, Tenant: 1, Side: side, Rules: &Rules{}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []abi.Side{abi.SideDialled, abi.SideAccepted} {
		var rec Record
		if err := r.Next(&rec); err != nil || rec.Kind != KindRules || rec.Side != want {
			t.Errorf("%v, %v; want the rules of %v", rec, err, want)
		}
	}
}
