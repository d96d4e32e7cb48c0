package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

const learnedAt = 8192

// counter is a guest that learns how often it was asked: a u64 at learnedAt.
// It traps when the event's Asks is 13, after spoiling what it has learned.
func counter(format int64) wasmtest.Module {
	count := wasmtest.Code(wasmtest.Load64(learnedAt), wasmtest.Const64(1), wasmtest.Add64())
	return wasmtest.Guest(
		wasmtest.Returns("state_region", 8<<32|learnedAt), wasmtest.Returns("state_format", format),
		wasmtest.Hook("on_timeout",
			wasmtest.Store64(learnedAt, count),
			wasmtest.Load32(wasmtest.Buffer+abi.EventAsksOffset), wasmtest.Extend(), wasmtest.Const64(13), wasmtest.Equal64(),
			wasmtest.If(wasmtest.Code(wasmtest.Store64(learnedAt, wasmtest.Const64(-1)), wasmtest.Unreachable())),
			wasmtest.Load64(learnedAt), wasmtest.Const64(1<<32), wasmtest.Or64()),
	)
}

func learned(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func TestLearnedStateSurvivesATrap(t *testing.T) {
	p := loadGuest(t, counter(7))
	q := at(abi.KindTimeout, 0)
	for i := range uint32(5) {
		// Two seconds apart: every question leaves a copy.
		q.Event.NowMs += 2000
		if got := answer(t, p, q); got != i+1 {
			t.Fatalf("question %d is answered with %d", i+1, got)
		}
	}
	q.Event.Asks = 13
	_, fault := p.Decide(q)
	wantFault(t, "13", fault, policy.FaultTrap)
	if s := p.State(); s.Format != 7 || !bytes.Equal(s.Bytes, learned(5)) {
		t.Errorf("without an instance the state is %+v, want format 7 and %v", s, learned(5))
	}
	q.Event.Asks = 0
	if got := answer(t, p, q); got != 6 {
		t.Errorf("the new instance has counted to %d, want 6", got)
	}
	if !p.Stats().Restored {
		t.Error("stats do not say restored")
	}
}

// TestSnapshotsAreSpacedOut: within a second nothing is copied.
func TestSnapshotsAreSpacedOut(t *testing.T) {
	p := loadGuest(t, counter(7))
	q := at(abi.KindTimeout, 0)
	answer(t, p, q) // leaves a copy: 1
	q.Event.NowMs += 999
	answer(t, p, q)
	if !bytes.Equal(p.learned.Bytes, learned(1)) {
		t.Errorf("after 999 ms the copy is %v", p.learned.Bytes)
	}
	q.Event.NowMs++
	answer(t, p, q)
	if !bytes.Equal(p.learned.Bytes, learned(3)) {
		t.Errorf("after 1000 ms the copy is %v", p.learned.Bytes)
	}
	var s snapshot
	due := 0
	for now := uint64(5000); now < 5000+1000*1000; now += 1000 {
		if s.due(now, MaxState) {
			due++
		}
	}
	if due != 1000/65 {
		t.Errorf("64 KiB were copied %d times in 1000 questions, want %d", due, 1000/65)
	}
}

func TestStateGoesToTheNextVersion(t *testing.T) {
	e := newEngine(t, Config{})
	p := load(t, e, source(counter(7).Bytes()))
	q := at(abi.KindTimeout, 0)
	answer(t, p, q)
	answer(t, p, q)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	old := p.State() // of a closed policy
	for _, c := range []struct {
		name string
		wasm wasmtest.Module
		old  State
		want uint32
	}{
		{"same format", counter(7), old, 3},
		{"other format", counter(8), old, 1},
		{"other size", counter(7), State{Format: 7, Bytes: old.Bytes[:7]}, 1},
		{"none", counter(7), State{}, 1},
	} {
		src := source(c.wasm.Bytes())
		src.State = c.old
		next := load(t, e, src)
		if got := answer(t, next, q); got != c.want {
			t.Errorf("%s: counts on with %d, want %d", c.name, got, c.want)
		}
		if got := next.Stats().Restored; got != (c.want == 3) {
			t.Errorf("%s: restored is %v", c.name, got)
		}
	}
	src := source(wasmtest.Guest().Bytes())
	src.State = old
	if s := load(t, e, src).State(); s.Bytes != nil || s.Format != 0 {
		t.Errorf("state of a guest without a region is %+v, want none", s)
	}
}

// TestPoisonedStateIsDropped: state that makes every instance trap does not
// outlive the fourth.
func TestPoisonedStateIsDropped(t *testing.T) {
	m := wasmtest.Guest(wasmtest.Returns("state_region", 8<<32|learnedAt),
		wasmtest.Hook("on_timeout", wasmtest.Load64(learnedAt), wasmtest.Const64(66), wasmtest.Equal64(), wasmtest.If(wasmtest.Unreachable()), wasmtest.Const64(wasmtest.Extend60s)))
	src := source(m.Bytes())
	src.State = State{Bytes: learned(66)}
	p, err := newEngine(t, Config{}).Load(context.Background(), src)
	if err != nil {
		t.Fatal(err)
	}
	q := at(abi.KindTimeout, 0)
	for range dropStateAfter {
		_, fault := p.Decide(q)
		wantFault(t, "poisoned", fault, policy.FaultTrap)
		q.Event.NowMs += 1000
	}
	_, fault := p.Decide(q)
	wantFault(t, "afresh", fault, policy.FaultNone)
	if p.Stats().Restored {
		t.Error("the poison was put in again")
	}
}
