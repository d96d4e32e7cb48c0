package engine

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	. "idlehost/host/internal/engine/wasmtest"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// speaker says a text to the log whenever it is asked, and answers with a
// random number and the clock's low bits.
func speaker(text string) Source {
	m := importer(wasi, "random_get", 2, 1, []Data{{Offset: 64, Bytes: []byte(text)}},
		Const32(1), Const32(64), Const32(int32(len(text))), Call(1),
		Const32(96), Const32(4), Call(0), Drop(), Load32(96))
	m.Imports = append(m.Imports, Import{Module: "idlehost", Name: "log", Params: []byte{I32, I32, I32}})
	src := source(m.Bytes())
	src.Name = text
	return src
}

// TestWorldsDoNotMix: guests in one hall share the host's functions; what they
// say, draw and use is put down to each of them alone.
func TestWorldsDoNotMix(t *testing.T) {
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
		if p.code.hall != probe.code.hall {
			t.Fatal("two halls: the test shows nothing")
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

// TestNoDeskIsFree: who finds none brings its own, and takes it away.
func TestNoDeskIsFree(t *testing.T) {
	e := newEngine(t, Config{})
	p := load(t, e, source(tiny().Bytes()))
	h := p.code.hall
	for i := range h.desks {
		h.desks[i].mu.Lock()
	}
	d, err := h.desk(p.place)
	if err != nil {
		t.Fatal(err)
	}
	mod := d.c.mod
	d.rise()
	if !mod.IsClosed() {
		t.Error("its caller is still there")
	}
	_, fault := p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "without a desk", fault, policy.FaultNone)
	at3 := &h.desks[(p.place+3)&uint32(len(h.desks)-1)]
	at3.mu.Unlock()
	if d, err = h.desk(p.place); err != nil || d != at3 {
		t.Errorf("did not find the free desk: %v", err)
	}
	d.rise()
	for i := range h.desks {
		if d := &h.desks[i]; d != at3 {
			d.mu.Unlock()
		}
	}
	if at3.c.mod.IsClosed() {
		t.Error("the hall's caller was closed")
	}
}

func TestDeskCount(t *testing.T) {
	for processors, want := range map[int]int{1: 2, 2: 4, 3: 8, 4: 8, 31: 64, 1000: 64} {
		if n := deskCount(processors); n != want {
			t.Errorf("%d processors have %d desks, want %d", processors, n, want)
		}
	}
}

// TestStacksAreRenewed after a trap, and after much work, so that a deep
// recursion's is not kept.
func TestStacksAreRenewed(t *testing.T) {
	e := newEngine(t, Config{FuelPerSecond: 1 << 40})
	p := load(t, e, source(Guest(Hook("on_accept", Unreachable())).Bytes()))
	d, err := p.code.hall.desk(p.place)
	if err != nil {
		t.Fatal(err)
	}
	c := d.c
	d.rise()
	before := c.enter
	p.Decide(at(abi.KindAccept, 0))
	if c.enter == before || c.spent != 0 {
		t.Error("a trap leaves the stack")
	}
	before = c.enter
	p.Decide(at(abi.KindTimeout, 0))
	if c.enter != before || c.spent == 0 {
		t.Errorf("another stack after %d units", c.spent)
	}
	c.spent = callerFuel
	p.Decide(at(abi.KindTimeout, 0))
	if c.enter == before || c.spent != 0 {
		t.Error("much work leaves the stack")
	}
}

// TestTracesShowTheGuestOnly: what the host has put around it is nothing that
// an author knows.
func TestTracesShowTheGuestOnly(t *testing.T) {
	p := loadGuest(t, Guest(Hook("on_timeout", Call(4), Const64(Extend60s)), Func{Body: Unreachable()}))
	p.Decide(at(abi.KindTimeout, 0))
	if text := p.Err().Error(); !strings.HasSuffix(text, "wasm stack trace: .$4() .$3() i64") {
		t.Error(text)
	}
}
