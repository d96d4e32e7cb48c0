package h2

import (
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestResetsHaveARate: so many at once cost nothing, each one more its time,
// and quiet times are credited.
func TestResetsHaveARate(t *testing.T) {
	var r resets
	now := time.Unix(1000, 0)
	for range resetsAtOnce {
		r.note(now)
	}
	if d := r.wait(now); d != 0 {
		t.Errorf("%d at once wait %v", resetsAtOnce, d)
	}
	for range 10 {
		r.note(now)
	}
	if d := r.wait(now); d != 10*resetEvery {
		t.Errorf("ten more wait %v, want %v", d, 10*resetEvery)
	}
	if d := r.wait(now.Add(10*resetEvery - 1)); d != 1 {
		t.Errorf("a nanosecond before their time they wait %v", d)
	}
	now = now.Add(time.Hour)
	for range resetsAtOnce {
		r.note(now)
	}
	if d := r.wait(now); d != 0 {
		t.Errorf("an hour later, %d at once wait %v", resetsAtOnce, d)
	}
}

// TestResetFloodIsReadSlowly: what a client sends behind a flood of streams that
// it takes back waits its turn.
func TestResetFloodIsReadSlowly(t *testing.T) {
	const flood = resetsAtOnce + 60
	r := newRaw(t, hostConfig{})
	begun := time.Now()
	for i := range uint32(flood) {
		id := 2*i + 1
		r.headers(id, false)
		if err := r.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
	}
	r.WritePing(false, [8]byte{1})
	for {
		if f, ok := r.read().(*http2.PingFrame); ok && f.IsAck() {
			break
		}
	}
	if took := time.Since(begun); took < (flood-resetsAtOnce)*resetEvery/2 {
		t.Errorf("%d streams that were taken back were read within %v", flood, took)
	}
}
