package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"testing/quick"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// echo answers with the deadline that code, an i32, computes.
func echo(code ...[]byte) wasmtest.Func {
	return wasmtest.Hook("on_timeout", wasmtest.Code(code...), wasmtest.Extend(), wasmtest.Const64(1<<32), wasmtest.Or64())
}

// answer asks a timeout and returns the deadline in milliseconds.
func answer(t *testing.T, p *Policy, q *policy.Ask) uint32 {
	t.Helper()
	q.Event.Kind = uint8(abi.KindTimeout)
	v, fault := p.Decide(q)
	wantFault(t, "timeout", fault, policy.FaultNone)
	return uint32(v.Deadline / time.Millisecond)
}

func TestGuestReadsTheEvent(t *testing.T) {
	q := func() *policy.Ask {
		q := at(abi.KindTimeout, 5)
		q.Event.IdleMs, q.Event.Phase = 4711, 5
		q.Event.ClientGaps[31] = 99
		return q
	}
	for _, c := range []struct {
		name string
		code []byte
		want uint32
	}{
		{"size", wasmtest.Load16(wasmtest.Buffer + abi.EventSizeOffset), abi.EventUsed},
		{"version", wasmtest.Load16(wasmtest.Buffer + abi.EventVersionOffset), abi.Version},
		{"kind", wasmtest.Load8(wasmtest.Buffer + abi.EventKindOffset), uint32(abi.KindTimeout)},
		{"phase", wasmtest.Load8(wasmtest.Buffer + abi.EventPhaseOffset), 5},
		{"now, low half", wasmtest.Load32(wasmtest.Buffer + abi.EventNowMsOffset), uint32(1_700_000_000_005 & 0xffffffff)},
		{"idle", wasmtest.Load32(wasmtest.Buffer + abi.EventIdleMsOffset), 4711},
		{"last gap", wasmtest.Load32(wasmtest.Buffer + abi.EventClientGapsOffset + 31*4), 99},
		{"past the event", wasmtest.Load32(wasmtest.Buffer + abi.EventUsed), 0},
	} {
		if got := answer(t, loadGuest(t, wasmtest.Guest(echo(c.code))), q()); got != c.want {
			t.Errorf("%s: guest reads %d, want %d", c.name, got, c.want)
		}
	}
}

// TestSmallBufferGetsWhatFits: nothing is written behind it.
func TestSmallBufferGetsWhatFits(t *testing.T) {
	const behind = wasmtest.Buffer + 72
	p := loadGuest(t, wasmtest.Guest(wasmtest.Returns("event_buffer", 72<<32|wasmtest.Buffer),
		echo(wasmtest.Load16(wasmtest.Buffer), wasmtest.Const32(1000), []byte{0x6c}, wasmtest.Load32(behind), []byte{0x6a}))) // mul, add
	q := at(0, 0)
	q.Event.WriteMs, q.Event.State[0] = 7, 9
	if got := answer(t, p, q); got != 72*1000 {
		t.Errorf("size*1000 + the word behind the buffer is %d, want 72000", got)
	}
	if q.Event.State[0] != 9 {
		t.Error("state was read back from a buffer without one")
	}
}

func TestGapsAreWrittenWhenTheyChange(t *testing.T) {
	// The guest answers with a weight, and wipes it: if it comes back, the
	// host has written it again.
	weight := uint32(wasmtest.Buffer + abi.GapsOffset + abi.GapsCutOffset + 95*4)
	p := loadGuest(t, wasmtest.Guest(echo(wasmtest.Load32(weight), wasmtest.Store32(weight, wasmtest.Const32(0)))))
	q := at(0, 0)
	ask := func(why string, want uint32) {
		t.Helper()
		if got := answer(t, p, q); got != want {
			t.Errorf("%s: guest reads %d, want %d", why, got, want)
		}
	}
	ask("no books", 0)
	q.Gaps = &policy.Gaps{Generation: 1}
	q.Gaps.Cut[95] = 5
	ask("first", 5)
	ask("unchanged", 0)
	q.Gaps.Generation = 2
	ask("next generation", 5)
	q.Gaps.Route = 1
	ask("another route", 5)
	q.Event.Side = uint8(abi.SideDialled)
	ask("the other side's books, counted alike", 5)
	q.Gaps = nil
	ask("no books any more", 0)
}

func TestGapsAreCutToTheBuffer(t *testing.T) {
	size := int64(abi.GapsOffset + 8)
	p := loadGuest(t, wasmtest.Guest(wasmtest.Returns("event_buffer", size<<32|wasmtest.Buffer),
		echo(wasmtest.Load32(wasmtest.Buffer+abi.GapsOffset+4), wasmtest.Load32(wasmtest.Buffer+abi.GapsOffset+8), []byte{0x6a})))
	q := at(0, 0)
	q.Gaps = &policy.Gaps{Generation: 1, Route: 3, Unit: 1000}
	if got := answer(t, p, q); got != 3 {
		t.Errorf("route + what is behind the buffer is %d, want 3", got)
	}
}

func TestStateAndLeasesComeBack(t *testing.T) {
	lease := uint32(wasmtest.Buffer + abi.EventLeasesOffset + 4*uint32(abi.PhaseIdle))
	edit := wasmtest.Code(wasmtest.Store32(wasmtest.Buffer+abi.EventStateOffset+28, wasmtest.Const32(0x01020304)), wasmtest.Store32(lease, wasmtest.Const32(12345)))
	for _, c := range []struct {
		flags uint8
		lease uint32
	}{{0, 60000}, {abi.FlagLeases, 12345}} {
		p := loadGuest(t, wasmtest.Guest(wasmtest.Hook("on_accept", edit, wasmtest.Const64(abi.Verdict(abi.ActionDefault, 0, c.flags, 0)))))
		q := at(abi.KindAccept, 0)
		for i := range q.Event.Leases {
			q.Event.Leases[i] = 60000
		}
		q.Event.IdleMs = 17
		v, fault := p.Decide(q)
		wantFault(t, "accept", fault, policy.FaultNone)
		if got := binary.LittleEndian.Uint32(q.Event.State[28:]); got != 0x01020304 {
			t.Errorf("state holds %#x", got)
		}
		if got := q.Event.Leases[abi.PhaseIdle]; got != c.lease || v.Leases != (c.flags != 0) {
			t.Errorf("with flags %d the idle lease is %d, want %d", c.flags, got, c.lease)
		}
		if q.Event.Leases[abi.PhaseTunnel] != 60000 || q.Event.IdleMs != 17 {
			t.Error("something else changed")
		}
	}
}

// TestOnCloseIsCalled: it sees the event, and nothing is read back.
func TestOnCloseIsCalled(t *testing.T) {
	m := wasmtest.Guest(
		wasmtest.Func{Export: "on_close", Body: wasmtest.Code(wasmtest.Load32(wasmtest.Buffer+abi.EventRequestsOffset), wasmtest.Extend(), wasmtest.GlobalSet(0),
			wasmtest.Store32(wasmtest.Buffer+abi.EventStateOffset, wasmtest.Const32(-1)))},
		wasmtest.Hook("on_timeout", wasmtest.GlobalGet(0), wasmtest.Const64(1<<32), wasmtest.Or64()),
	)
	m.Globals = []int64{0}
	p := loadGuest(t, m)
	q := at(abi.KindClose, 0)
	q.Event.Requests = 321
	v, fault := p.Decide(q)
	wantFault(t, "close", fault, policy.FaultNone)
	if v != (policy.Verdict{}) || q.Event.State[0] != 0 {
		t.Errorf("close answered %+v, state %v", v, q.Event.State)
	}
	if got := answer(t, p, at(0, 0)); got != 321 {
		t.Errorf("on_close saw %d requests, want 321", got)
	}
}

func TestMemoryMayGrowDuringACall(t *testing.T) {
	// The event's buffer stays where it was, the host's view of it does not.
	p := loadGuest(t, wasmtest.Guest(wasmtest.Hook("on_timeout",
		wasmtest.Grow(3), wasmtest.Drop(), wasmtest.Store32(wasmtest.Buffer+abi.EventStateOffset, wasmtest.Load32(wasmtest.Buffer+abi.EventAsksOffset)), wasmtest.Const64(wasmtest.Extend60s))))
	for i := range uint32(10) {
		q := at(abi.KindTimeout, 0)
		q.Event.Asks = i + 1
		_, fault := p.Decide(q)
		wantFault(t, "growing", fault, policy.FaultNone)
		if got := binary.LittleEndian.Uint32(q.Event.State[:]); got != i+1 {
			t.Fatalf("call %d: state is %d", i, got)
		}
	}
	if got := p.Stats().MemoryBytes; got != 31*pageBytes {
		t.Errorf("memory has %d bytes", got)
	}
}

// TestWireIsPortable: what a little-endian machine copies is what any other
// would encode.
func TestWireIsPortable(t *testing.T) {
	if !nativeLittle() {
		t.Skip("this machine always encodes")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	raw := make([]byte, abi.GapsSize)
	for range 100 {
		var q policy.Ask
		q.Gaps = new(policy.Gaps)
		for i := range raw {
			raw[i] = byte(rng.Uint32())
		}
		if _, err := binary.Decode(raw, binary.LittleEndian, &q.Event); err != nil {
			t.Fatal(err)
		}
		if _, err := binary.Decode(raw, binary.LittleEndian, q.Gaps); err != nil {
			t.Fatal(err)
		}
		var copied, encoded [abi.BufferSize]byte
		putEvent(copied[:abi.EventUsed], &q.Event)
		putGaps(copied[abi.GapsOffset:], q.Gaps)
		putPortable(encoded[:abi.EventUsed], &q.Event)
		putPortable(encoded[abi.GapsOffset:], q.Gaps)
		if copied != encoded || string(copied[:abi.EventUsed]) != string(raw[:abi.EventUsed]) {
			t.Fatal("copy and encoding differ")
		}
	}
}

// TestVerdictRoundTrip: what Verdict packs, a reply reads; what it cannot have
// packed is refused.
func TestVerdictRoundTrip(t *testing.T) {
	if err := quick.Check(func(action, flags uint8, ms uint32, reason uint16) bool {
		a, f := abi.Action(action%3), flags&knownFlags
		r := reply(abi.Verdict(a, ms, f, reason))
		v, err := r.verdict(), r.check()
		return err == nil && v.Action == a && v.Deadline == time.Duration(ms)*time.Millisecond &&
			v.Log == (f&abi.FlagLog != 0) && v.Leases == (f&abi.FlagLeases != 0) && v.Reason == reason&0x7fff
	}, nil); err != nil {
		t.Error(err)
	}
	for _, r := range []reply{3 << 32, 255 << 32, 1 << 42, 1 << 47, 1 << 63} {
		if r.check() == nil {
			t.Errorf("%#x became %+v, want it refused", uint64(r), r.verdict())
		}
	}
}

func FuzzVerdict(f *testing.F) {
	f.Add(uint64(wasmtest.Extend60s))
	f.Add(uint64(1) << 63)
	f.Fuzz(func(t *testing.T, raw uint64) {
		if reply(raw).check() != nil {
			return
		}
		v := reply(raw).verdict()
		var flags uint8
		if v.Log {
			flags |= abi.FlagLog
		}
		if v.Leases {
			flags |= abi.FlagLeases
		}
		if back := uint64(abi.Verdict(v.Action, uint32(v.Deadline/time.Millisecond), flags, v.Reason)); back != raw {
			t.Errorf("%#x was accepted as %+v, which is %#x", raw, v, back)
		}
	})
}
