package engine

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// speaker says a text to the log whenever it is asked, and answers with a
// random number and the clock's low bits.
func speaker(text string) Source {
	m := importer(wasi, "random_get", 2, 1, []wasmtest.Data{{Offset: 64, Bytes: []byte(text)}},
		wasmtest.Const32(1), wasmtest.Const32(64), wasmtest.Const32(int32(len(text))), wasmtest.Call(1),
		wasmtest.Const32(96), wasmtest.Const32(4), wasmtest.Call(0), wasmtest.Drop(), wasmtest.Load32(96))
	m.Imports = append(m.Imports, wasmtest.Import{Module: "idlehost", Name: "log", Params: []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}})
	src := source(m.Bytes())
	src.Name = text
	return src
}

// TestCallContextsDoNotMix: guests in one shared runtime share the host's functions;
// what they say, draw and use is put down to each of them alone.
func TestCallContextsDoNotMix(t *testing.T) {
	var j journal
	e := newEngine(t, Config{Log: j.log})
	alone := make(map[uint64]uint32)
	probe := load(t, e, speaker("probe"))
	for n := range uint64(50) {
		q := at(abi.KindTimeout, n*2000)
		q.Event.Random = n
		alone[n] = answer(t, probe, q)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		p := load(t, e, speaker(fmt.Sprintf("guest %d", g%4))) // each code has two guests
		if p.code.shared != probe.code.shared {
			t.Fatal("two shared runtimes: the test shows nothing")
		}
		wg.Go(func() {
			for n := range uint64(50) {
				q := at(abi.KindTimeout, n*2000)
				q.Event.Random = n
				v, fault := p.Decide(q)
				if fault != policy.FaultNone || uint32(v.Deadline.Milliseconds()) != alone[n] {
					t.Errorf("guest %d drew %v, %v, want %d", g, v.Deadline, fault, alone[n])
				}
			}
		})
	}
	wg.Wait()
	lines := strings.Split(j.text(), "\n")
	if len(lines) != 9*50 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		level, rest, _ := strings.Cut(l, " ")
		if half := len(rest) / 2; level != "1" || rest[:half] != rest[half+1:] {
			t.Errorf("the log has %q", l)
		}
	}
}

// TestNoSlotIsFree: who finds none brings its own, and takes it away.
func TestNoSlotIsFree(t *testing.T) {
	e := newEngine(t, Config{})
	p := load(t, e, source(tiny().Bytes()))
	s := p.code.shared
	for i := range s.slots {
		s.slots[i].mu.Lock()
	}
	slot, err := s.takeSlot(p.slotHint)
	if err != nil {
		t.Fatal(err)
	}
	mod := slot.trampoline.mod
	slot.release()
	if !mod.IsClosed() {
		t.Error("its trampoline is still there")
	}
	_, fault := p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "without a slot", fault, policy.FaultNone)
	at3 := &s.slots[(p.slotHint+3)&uint32(len(s.slots)-1)]
	at3.mu.Unlock()
	if slot, err = s.takeSlot(p.slotHint); err != nil || slot != at3 {
		t.Errorf("did not find the free slot: %v", err)
	}
	slot.release()
	for i := range s.slots {
		if slot := &s.slots[i]; slot != at3 {
			slot.mu.Unlock()
		}
	}
	if at3.trampoline.mod.IsClosed() {
		t.Error("the shared runtime's trampoline was closed")
	}
}

func TestSlotCount(t *testing.T) {
	for processors, want := range map[int]int{1: 2, 2: 4, 3: 8, 4: 8, 31: 64, 1000: 64} {
		if n := slotCount(processors); n != want {
			t.Errorf("%d processors have %d slots, want %d", processors, n, want)
		}
	}
}

// TestStacksAreRenewed after a trap, and after much work, so that a deep
// recursion's is not kept.
func TestStacksAreRenewed(t *testing.T) {
	e := newEngine(t, Config{FuelPerSecond: 1 << 40})
	p := load(t, e, source(wasmtest.Guest(wasmtest.Hook("on_accept", wasmtest.Unreachable())).Bytes()))
	slot, err := p.code.shared.takeSlot(p.slotHint)
	if err != nil {
		t.Fatal(err)
	}
	tr := slot.trampoline
	slot.release()
	before := tr.enter
	p.Decide(at(abi.KindAccept, 0))
	if tr.enter == before || tr.spent != 0 {
		t.Error("a trap leaves the stack")
	}
	before = tr.enter
	p.Decide(at(abi.KindTimeout, 0))
	if tr.enter != before || tr.spent == 0 {
		t.Errorf("another stack after %d units", tr.spent)
	}
	tr.spent = trampolineFuel
	p.Decide(at(abi.KindTimeout, 0))
	if tr.enter == before || tr.spent != 0 {
		t.Error("much work leaves the stack")
	}
}

// TestTracesShowTheGuestOnly: what the host has put around it is nothing that
// an author knows.
func TestTracesShowTheGuestOnly(t *testing.T) {
	p := loadGuest(t, wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Call(4), wasmtest.Const64(wasmtest.Extend60s)), wasmtest.Func{Body: wasmtest.Unreachable()}))
	p.Decide(at(abi.KindTimeout, 0))
	if text := p.Err().Error(); !strings.HasSuffix(text, "wasm stack trace: .$4() .$3() i64") {
		t.Error(text)
	}
}
