package neighbour

import (
	"context"
	"testing"
)

// TestEndIsNoFailure: a connection that is being made when the traffic ends has
// not failed.
func TestEndIsNoFailure(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	traffic := &Traffic{Addr: "127.0.0.1:1"}
	traffic.visit(ctx)
	if c := traffic.Counts(); c != (Counts{}) || traffic.Err() != nil {
		t.Errorf("counts %+v: %v", c, traffic.Err())
	}
}
