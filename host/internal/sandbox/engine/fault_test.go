package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// TestFaultsOfACall: each costs the instance, is named, and the next question
// gets an answer from a fresh one.
func TestFaultsOfACall(t *testing.T) {
	broken := func(name string, f wasmtest.Func) wasmtest.Module { f.Export = name; return wasmtest.Guest(f) }
	hook := func(code ...[]byte) wasmtest.Func {
		return wasmtest.Func{Results: []byte{wasmtest.I64}, Body: wasmtest.Code(code...)}
	}
	for _, c := range []struct {
		name  string
		hook  wasmtest.Func
		fault policy.Fault
		want  string
	}{
		{"trap", hook(wasmtest.Unreachable()), policy.FaultTrap, "on_timeout: wasm error: unreachable"},
		{"out of bounds", hook(wasmtest.Load64(65530)), policy.FaultTrap, "out of bounds memory access"},
		{"recursion", hook(wasmtest.Call(3)), policy.FaultFuel, "out of fuel: used up its 400000 units in .$3("},
		{"endless loop", hook(wasmtest.Forever(), wasmtest.Const64(0)), policy.FaultFuel, "on_timeout: out of fuel: used up its 400000 units in .$3("},
		{"more memory than allowed", hook(wasmtest.Grow(40), wasmtest.Drop(), wasmtest.Unreachable()), policy.FaultMemory, "out of memory: was refused more than 2048 KiB: wasm error: unreachable"},
		{"unknown action", hook(wasmtest.Const64(3 << 32)), policy.FaultOutput, "unknown action 3"},
		{"unknown flag", hook(wasmtest.Const64(1<<32 | 4<<40)), policy.FaultOutput, "unknown flags 0x4"},
		{"bit 63", hook(wasmtest.Const64(-1 << 63)), policy.FaultOutput, "bit 63"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var j journal
			e := newEngine(t, Config{MemoryPages: 32, Log: j.log})
			p := load(t, e, Source{Name: "guest", Wasm: broken("on_timeout", c.hook).Bytes()})
			q := at(abi.KindTimeout, 0)
			q.Event.State[0] = 42
			v, fault := p.Decide(q)
			wantFault(t, c.name, fault, c.fault)
			if v != (policy.Verdict{}) || q.Event.State[0] != 42 {
				t.Errorf("beside the fault: %+v, state %d", v, q.Event.State[0])
			}
			if err := p.Err(); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(j.text(), c.want) {
				t.Errorf("error is %v\nlog is %s\nboth should hold %q", err, j.text(), c.want)
			}
			_, fault = p.Decide(at(abi.KindAccept, 0))
			wantFault(t, "accept afterwards", fault, policy.FaultNone)
			if s := p.Stats(); s.Instances != 2 || s.Faults[c.fault] != 1 {
				t.Errorf("stats are %+v, want 2 instances and one fault %v", s, c.fault)
			}
		})
	}
}

// TestRefusedGrowthIsNoFault: a guest that lives with the answer -1 goes on,
// and a later trap is not blamed on it.
func TestRefusedGrowthIsNoFault(t *testing.T) {
	p := load(t, newEngine(t, Config{MemoryPages: 40}), source(wasmtest.Guest(
		wasmtest.Hook("on_accept", wasmtest.Grow(40), wasmtest.Extend(), wasmtest.Const64(1<<32), wasmtest.Or64()), wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes()))
	v, fault := p.Decide(at(abi.KindAccept, 0))
	wantFault(t, "growth", fault, policy.FaultNone)
	if got := uint32(v.Deadline / time.Millisecond); got != 0xffffffff {
		t.Errorf("memory.grow answered %d", int32(got))
	}
	_, fault = p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "trap", fault, policy.FaultTrap)
}

func TestLeasesNeedABufferThatHasThem(t *testing.T) {
	verdict := abi.Verdict(abi.ActionDefault, 0, abi.FlagLeases, 0)
	p := loadGuest(t, wasmtest.Guest(wasmtest.Returns("event_buffer", 304<<32|wasmtest.Buffer), wasmtest.Returns("on_accept", verdict)))
	_, fault := p.Decide(at(abi.KindAccept, 0))
	wantFault(t, "leases in 304 bytes", fault, policy.FaultOutput)
	p = loadGuest(t, wasmtest.Guest(wasmtest.Returns("event_buffer", 312<<32|wasmtest.Buffer), wasmtest.Returns("on_accept", verdict)))
	_, fault = p.Decide(at(abi.KindAccept, 0))
	wantFault(t, "leases in 312 bytes", fault, policy.FaultNone)
}

// moving returns a guest whose region moves by 8 each time it is asked for.
func moving(export string, first int64) wasmtest.Module {
	m := wasmtest.Guest(wasmtest.Hook(export, wasmtest.GlobalGet(0), wasmtest.GlobalGet(0), wasmtest.Const64(8), wasmtest.Add64(), wasmtest.GlobalSet(0)))
	m.Globals = []int64{first}
	return m
}

func TestMovingRegionsAreRefused(t *testing.T) {
	_, err := newEngine(t, Config{}).Load(context.Background(), source(moving("event_buffer", 64<<32|wasmtest.Buffer).Bytes()))
	wantError(t, err, policy.FaultRefused, "event_buffer: event buffer has moved from 64 bytes at 1024 to 64 bytes at 1032")

	p := loadGuest(t, moving("state_region", 64<<32|wasmtest.Buffer))
	_, fault := p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "the first audit", fault, policy.FaultOutput)
	if err := p.Err(); !strings.Contains(err.Error(), "learned state has moved") {
		t.Error(err)
	}

	// A buffer that moves after questions have been asked.
	m := wasmtest.Guest(wasmtest.Hook("event_buffer", wasmtest.GlobalGet(0)),
		wasmtest.Hook("on_timeout", wasmtest.GlobalGet(0), wasmtest.Const64(8), wasmtest.Add64(), wasmtest.GlobalSet(0), wasmtest.Const64(wasmtest.Extend60s)))
	m.Globals = []int64{64<<32 | wasmtest.Buffer}
	p = loadGuest(t, m)
	_, fault = p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "audit", fault, policy.FaultOutput)
	var fe *FaultError
	if !errors.As(p.Err(), &fe) || !strings.Contains(fe.Error(), "event buffer has moved") {
		t.Error(p.Err())
	}
}

// TestInstancesAreSpacedOut: one at once, then after some 100 ms, 200 ms, ...
// of event time, asserted a millisecond before and on time.
func TestInstancesAreSpacedOut(t *testing.T) {
	p := loadGuest(t, wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Unreachable())))
	now := uint64(0)
	decide := func(want policy.Fault) {
		t.Helper()
		_, fault := p.Decide(at(abi.KindTimeout, now))
		if fault != want {
			t.Fatalf("at %d ms: fault is %v, should be %v", now, fault, want)
		}
	}
	next := func(about uint64) {
		t.Helper()
		wait := p.breaker.openMs - p.breaker.failedMs
		if wait < about*3/4 || wait > about*5/4 {
			t.Fatalf("waits for %d ms, should be %d more or less", wait, about)
		}
		decide(policy.FaultBreaker)
		now += wait - 1
		decide(policy.FaultBreaker)
		now++
		decide(policy.FaultTrap)
	}
	decide(policy.FaultTrap)
	decide(policy.FaultTrap) // a second instance at once
	for wait := uint64(100); wait < 30_000; wait *= 2 {
		next(wait)
	}
	for range 3 {
		next(30_000)
	}
	now += 60_000 // calm: it starts anew
	decide(policy.FaultTrap)
	decide(policy.FaultTrap)
	decide(policy.FaultBreaker)
	now = 0 // a clock set back does not lock it out
	decide(policy.FaultTrap)
}

// TestAFailingStartIsAFault: an instance that cannot be made again is
// answered for like one that traps.
func TestAFailingStartIsAFault(t *testing.T) {
	p := loadGuest(t, wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Unreachable())))
	_, fault := p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "trap", fault, policy.FaultTrap)
	if err := p.code.shared.runtime.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, fault = p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "no instance", fault, policy.FaultInit)
	_, fault = p.Decide(at(abi.KindTimeout, 74))
	wantFault(t, "too early", fault, policy.FaultBreaker)
}
