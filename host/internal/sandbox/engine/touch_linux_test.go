package engine

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// TestFirstTouchIsNotAQuestions: a question that stores to every page of 8 MiB
// finds all but the first 512 KiB there; it pays for stores, not for faults.
func TestFirstTouchIsNotAQuestions(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector touches memory of its own")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Local 0 counts the pages of 4 KiB down to none.
	touch := wasmtest.Code([]byte{0x41}, []byte{0xff, 0x0f}, []byte{0x21, 0, 3, 0x40}, wasmtest.LocalGet(0), wasmtest.Const32(12), []byte{0x74}, wasmtest.LocalGet(0), []byte{0x36, 2, 0},
		wasmtest.LocalGet(0), wasmtest.Const32(1), []byte{0x6b, 0x22, 0, 0x0d, 0, 0x0b}, wasmtest.Const64(wasmtest.Extend60s))
	m := wasmtest.Guest(wasmtest.Func{Export: "on_accept", Results: []byte{wasmtest.I64}, Locals: 1, Body: touch})
	m.Pages = 128
	p := load(t, newEngine(t, Config{}), source(m.Bytes()))
	before := faults(t)
	_, fault := p.Decide(at(abi.KindAccept, 0))
	wantFault(t, "accept", fault, policy.FaultNone)
	if n := faults(t) - before; n > prefaultFrom/4096+200 {
		t.Errorf("%d pages were made during a question", n)
	}
}

// faults returns how many pages the thread has touched first.
func faults(t *testing.T) int64 {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return u.Minflt
}
