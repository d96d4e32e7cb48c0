package recorder

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/tracetest"
)

// TestNoRoomEndsARecording: where no room is left the recording ends with the
// reason, and what was written before is whole.
func TestNoRoomEndsARecording(t *testing.T) {
	cfg := config(t)
	full := errors.New("no room")
	var left, under atomic.Int64
	left.Store(100_000)
	cfg.Claim = func(n int64) (func(), error) {
		if left.Add(-n) < 0 {
			left.Add(n)
			return nil, full
		}
		under.Add(1)
		return func() { under.Add(-1) }, nil
	}
	ended := make(chan error, 1)
	cfg.Ended = func(err error) { ended <- err }
	r := start(t, cfg)
	tape := r.Tenant("a")
	for conn := uint64(1); ; conn++ {
		life(tape, conn, conn)
		if tape.Over() {
			break
		}
	}
	if err := <-ended; !errors.Is(err, full) {
		t.Errorf("ended with %v", err)
	}
	if err := r.Close(); !errors.Is(err, full) {
		t.Errorf("closed with %v", err)
	}
	info, err := os.Stat(cfg.File)
	if err != nil || info.Size() != 100_000-left.Load() || under.Load() != 0 {
		t.Errorf("%d bytes of 100000, of which %d are left: %v; %d claims are held", info.Size(), left.Load(), err, under.Load())
	}
	if _, got := tracetest.Read(t, cfg.File); len(got) < 100 || got[0].Kind != trace.KindTenant {
		t.Errorf("%d records", len(got))
	}
}

// TestNoRoomToBegin: nothing is left of a recording that cannot begin.
func TestNoRoomToBegin(t *testing.T) {
	cfg := config(t)
	full := errors.New("no room")
	cfg.Claim = func(int64) (func(), error) { return nil, full }
	if _, err := New(cfg); !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(cfg.File); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
}
