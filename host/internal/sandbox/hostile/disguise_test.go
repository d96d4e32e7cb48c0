package hostile

import (
	"strings"
	"testing"
	"time"

	"idlehost/host/longtest"
	"idlehost/sdk/abi"
)

// TestDisguise: what fails at a question passes a check that is earlier than
// it is meant for, and fails as it did from then on.
func TestDisguise(t *testing.T) {
	w := newWorker(t)
	defer func() { w.stop() }()
	judged := func(wasm []byte, a Attack) (v verdict) {
		v, err := w.judge(wasm, a.Params)
		if err != nil {
			t.Errorf("%s: %v", a.Name, err)
			w.stop()
			w = newWorker(t)
		}
		return v
	}
	every := []abi.Kind{abi.KindAccept, abi.KindTimeout, abi.KindClose}
	corpus := Corpus()
	n, most := 0, longtest.Count(t, 30, len(corpus), "attacks")
	for _, a := range corpus {
		if a.Want.Outcome != AtCall || strings.HasPrefix(a.Name, "state-") || n == most {
			continue // the host asks where the state is, not whether it is time
		}
		asleep, ok := Disguise(a.Wasm(), time.UnixMilli(1_900_000_000_000), every...)
		awake, also := Disguise(a.Wasm(), time.UnixMilli(1_600_000_000_000), every...)
		if !ok || !also {
			t.Errorf("%s: cannot be disguised", a.Name)
			continue
		}
		if still, ok := Disguise(a.Wasm(), time.UnixMilli(1_600_000_000_000), abi.KindTimeout); !ok {
			t.Errorf("%s: cannot be disguised", a.Name)
		} else if v := judged(still, a); v.Outcome != AtCall && !strings.HasSuffix(a.Name, "-at-close") {
			t.Errorf("%s, at timeouts: %v %s, want a fault", a.Name, v.Outcome, v.Text)
		}
		n++
		if v := judged(asleep, a); v.Outcome != Harmless {
			t.Errorf("%s, before its time: %v %v %s", a.Name, v.Outcome, v.Fault, v.Text)
		}
		if v := judged(awake, a); v.Outcome != AtCall {
			t.Errorf("%s: %v %v %s, want a fault", a.Name, v.Outcome, v.Fault, v.Text)
		}
	}
	t.Logf("%d attacks", n)
}

func TestDisguiseOfNoModule(t *testing.T) {
	for _, wasm := range [][]byte{nil, header(), header()[:5], append(header(), 1, 200), append(header(), secExport, 2, 1, 9)} {
		if out, ok := Disguise(wasm, time.Time{}); ok {
			t.Errorf("%x became %x", wasm, out)
		}
	}
}
