package lab

import (
	"context"
	"errors"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
)

func TestLook(t *testing.T) {
	cfg := townConfig(t, 10, 1000)
	o, err := Look(t.Context(), cfg, nil)
	if err != nil || o.Records != 1000 || o.Length < int64(time.Minute) || len(o.Notes) != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	tape := new(tape).open(0, 1, 7).requests(1, 5e9).close(9e9, 1, policy.ReasonPeer)
	tape.then(trace.Record{Kind: trace.KindLost, Time: 99e9, Count: 3})
	cfg = tape.config(t)
	if o, err = Look(t.Context(), cfg, nil); err != nil || o.Length != 9e9 {
		t.Errorf("%+v, %v; want 9 s", o, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Look(ctx, cfg, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
}
