package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/tracetest"
)

// takenBack is a recording of a client with HTTP/2 whose request came as its
// parked connection was being ended: the host took the end back, and asked again
// when the connection had been idle anew. Had it said GOAWAY before, that request
// would have been the connection's last.
func takenBack(t *testing.T, p Policy) (back, last *tape) {
	t.Helper()
	digest := sha256.Sum256(p.Wasm)
	back, last = &tape{}, &tape{}
	back.header, back.all = tracetest.Read(t, "testdata/takenback.trace")
	for i := range back.all {
		r := &back.all[i]
		if r.Kind == trace.KindPolicy {
			r.Name = hex.EncodeToString(digest[:])
		}
		switch again := r.Conn == 57 && r.Time > 6.5*1e9; {
		case again && (r.Kind == trace.KindAsk || r.Kind == trace.KindAnswer):
		case again && r.Kind == trace.KindClose:
			early := *r
			early.Time = 6_142_300_000 // its request ended 0.1 ms before
			last.all = append(last.all, early)
		default:
			last.all = append(last.all, *r)
		}
	}
	last.header = back.header
	return back, last
}

func TestAnEndThatWasTakenBack(t *testing.T) {
	p := bundled(t, "fixed:400ms")
	back, last := takenBack(t, p)
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

// TestAConnectionThatServesItsLast was cut by the host, in the books as well:
// not left by its client.
func TestAConnectionThatServesItsLast(t *testing.T) {
	_, last := takenBack(t, bundled(t, "fixed:400ms"))
	s := experiment(t, last, 1, "fixed:400ms", "fixed:5s")
	for i, name := range s.Differences[0].Policies {
		if name != "fixed 400ms" {
			continue
		}
		all := s.Differences[0].Decisions[i]
		if x := all[len(all)-2]; x.Event != "accept" || x.AtMs != 6559 || x.Asked["client_cut"] != 3 {
			t.Errorf("the next connection is asked about with %+v", x)
		}
	}
}
