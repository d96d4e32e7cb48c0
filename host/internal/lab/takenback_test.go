package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"testing"

	"idlehost/host/internal/trace"
)

// TestAnEndThatWasTakenBack is a recording of a client with HTTP/2 whose request
// came as its parked connection was being ended: the host took the end back, and
// asked again when the connection had been idle anew. Had it said GOAWAY before,
// that request would have been the connection's last.
func TestAnEndThatWasTakenBack(t *testing.T) {
	p := bundled(t, "fixed:timeout=400ms")
	digest := sha256.Sum256(p.Wasm)
	back, last := readTape(t, "testdata/takenback.trace"), &tape{}
	for i := range back.all {
		r := &back.all[i]
		if r.Kind == trace.KindPolicy {
			r.Name = hex.EncodeToString(digest[:])
		}
		switch again := r.Conn == 57 && r.Time > 6.5*1e9; {
		case again && r.Kind == trace.KindAsk:
		case again && r.Kind == trace.KindClose:
			early := *r
			early.Time = 6_142_300_000 // its request ended 0.1 ms before
			last.all = append(last.all, early)
		default:
			last.all = append(last.all, *r)
		}
	}
	last.header = back.header
	for asked, tp := range map[int64]*tape{9: back, 8: last} {
		played, err := Play(t.Context(), tp.config(t), p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := played.Outcome.Agreement; a == nil || a.Recorded != asked || a.Same != a.Recorded {
			t.Errorf("%d questions: agreement %+v", asked, a)
		}
		if c := played.Outcome.Total; c.Closed != 4 || c.Premature != 3 {
			t.Errorf("%d questions: %+v", asked, c)
		}
	}
}

// readTape reads a recording.
func readTape(t *testing.T, name string) *tape {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := trace.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	tp := &tape{header: r.Header()}
	for {
		var rec trace.Record
		switch err := r.Next(&rec); {
		case errors.Is(err, io.EOF):
			return tp
		case err != nil:
			t.Fatal(err)
		}
		if rec.Ask != nil {
			ask := *rec.Ask
			rec.Ask = &ask
		}
		if rec.Rules != nil {
			rules := *rec.Rules
			rec.Rules = &rules
		}
		tp.all = append(tp.all, rec)
	}
}
