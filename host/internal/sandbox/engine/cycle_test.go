package engine

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/testnet"
	"idlehost/host/longtest"
	"idlehost/sdk/abi"
)

// version returns one of many versions of a policy. Each counts accepts in its
// learned state, and fails when a connection ends: half of them trap, half run
// out of fuel. Their bytes differ, so that each is compiled.
func version(n int) Source {
	const at = 8192
	end := wasmtest.Unreachable()
	if n%2 == 1 {
		end = wasmtest.Forever()
	}
	return source(wasmtest.Guest(
		wasmtest.Returns("state_region", 8<<32|at),
		wasmtest.Returns("state_format", 1),
		wasmtest.Hook("on_accept", wasmtest.Store64(at, wasmtest.Code(wasmtest.Load64(at), wasmtest.Const64(1), wasmtest.Add64())), wasmtest.Const64(wasmtest.Extend60s)),
		wasmtest.Returns("on_timeout", int64(wasmtest.Extend60s+n)),
		wasmtest.Func{Export: "on_close", Body: end},
	).Bytes())
}

// succession replaces a policy by its next version, again and again.
type succession struct {
	engine  *Engine
	current *Policy
	version int
	accepts uint64 // counted by all versions
	ms      uint64 // event time
}

// replace loads the next version with what the current one has learned, and
// closes the current one. In between both are asked; every fourth version
// fails first.
func (s *succession) replace(t *testing.T) {
	t.Helper()
	src := version(s.version)
	src.State = s.current.State()
	next := load(t, s.engine, src)
	s.version++
	_, fault := s.current.Decide(at(abi.KindTimeout, s.ms))
	wantFault(t, "the one replaced", fault, policy.FaultNone)
	if err := s.current.Close(); err != nil {
		t.Fatal(err)
	}
	s.current = next
	if s.version%4 < 2 {
		s.fail(t)
	}
	for range 3 {
		_, fault := s.current.Decide(at(abi.KindAccept, s.ms))
		wantFault(t, "accept", fault, policy.FaultNone)
		s.accepts++
	}
	s.ms += 1000
}

// fail has the current version lose its instance, and waits until it may have
// another.
func (s *succession) fail(t *testing.T) {
	t.Helper()
	if _, fault := s.current.Decide(at(abi.KindClose, s.ms)); fault != policy.FaultTrap && fault != policy.FaultFuel {
		t.Fatalf("close: fault is %v", fault)
	}
	s.ms += 60_000
}

// TestCyclesOfReplacementLeakNothing: neither memory, goroutines, mappings nor
// descriptors grow with the number of versions a policy has had.
func TestCyclesOfReplacementLeakNothing(t *testing.T) {
	s := &succession{engine: newEngine(t, Config{}), version: 1}
	s.current = load(t, s.engine, version(0))
	cycles := longtest.Count(t, 500, 10_000, "cycles")
	turn := func(n int) {
		for range n {
			s.replace(t)
		}
	}
	turn(max(cycles/10, 2*maxSpare)) // until as much code is kept unused as may be
	before := settledFootprint(footprint{})
	begin := time.Now()
	turn(cycles)
	took := time.Since(begin)
	after := settledFootprint(before)
	t.Logf("%d cycles, %v each: %+v, then %+v", cycles, took/time.Duration(cycles), before, after)
	after.compare(t, before)
	if b := s.current.State().Bytes; len(b) != 8 || binary.LittleEndian.Uint64(b) != s.accepts {
		t.Errorf("learned state is % x after %d accepts", b, s.accepts)
	}
	if len(s.engine.policies) != 1 {
		t.Errorf("%d policies are open", len(s.engine.policies))
	}
}

// codeSlack is how much more code may be mapped, in bytes.
const codeSlack = 64 << 10

// footprint is what the process holds. What the system does not tell is 0.
type footprint struct {
	Heap       uint64 // live, in bytes
	Resident   uint64 // in bytes
	Mappings   int
	Executable uint64 // bytes that are mapped as code: neighbours make one mapping
	Goroutines int
	Files      int
}

// settledFootprint collects garbage, and looks again as long as there is more of
// anything than before: finalizers unmap code, goroutines end.
func settledFootprint(before footprint) (f footprint) {
	look := func() bool {
		f = footprint{Heap: liveHeap(), Resident: resident(), Goroutines: runtime.NumGoroutine(), Files: openFiles()}
		f.Mappings, f.Executable = mappings()
		return f.Goroutines <= before.Goroutines && f.Executable <= before.Executable+codeSlack
	}
	if before == (footprint{}) {
		for range 3 {
			look()
		}
		return f
	}
	testnet.Holds(look) // or compare says what there is more of
	return f
}

// compare fails the test where f is more than before. An instance has 64 KiB of
// memory, its code 4 KiB and more; the allowances are for the runtime, which
// maps and keeps what it likes.
func (f footprint) compare(t *testing.T, before footprint) {
	t.Helper()
	const heapSlack, residentSlack, mappingSlack = 1 << 20, 16 << 20, 16
	if f.Heap > before.Heap+heapSlack {
		t.Errorf("live heap went from %d to %d bytes", before.Heap, f.Heap)
	}
	if f.Resident > before.Resident+residentSlack && !raceDetector {
		t.Errorf("resident memory went from %d to %d bytes", before.Resident, f.Resident)
	}
	if f.Executable > before.Executable+codeSlack {
		t.Errorf("mapped code went from %d to %d bytes", before.Executable, f.Executable)
	}
	if f.Mappings > before.Mappings+mappingSlack {
		t.Errorf("mappings went from %d to %d", before.Mappings, f.Mappings)
	}
	if f.Goroutines > before.Goroutines {
		t.Errorf("goroutines went from %d to %d", before.Goroutines, f.Goroutines)
	}
	if f.Files > before.Files {
		t.Errorf("descriptors went from %d to %d", before.Files, f.Files)
	}
}

// mappings counts them, and the bytes of those that hold code.
func mappings() (n int, executable uint64) {
	text, _ := os.ReadFile("/proc/self/maps")
	for l := range bytes.Lines(text) {
		n++
		f := strings.Fields(string(l))
		if len(f) < 2 || !strings.Contains(f[1], "x") {
			continue
		}
		low, high, _ := strings.Cut(f[0], "-")
		from, _ := strconv.ParseUint(low, 16, 64)
		to, _ := strconv.ParseUint(high, 16, 64)
		executable += to - from
	}
	return n, executable
}

// resident returns the memory that the process has, in bytes.
func resident() uint64 {
	text, _ := os.ReadFile("/proc/self/statm")
	f := strings.Fields(string(text))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(f[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}
