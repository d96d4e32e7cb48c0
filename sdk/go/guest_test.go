package policy

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unsafe"

	"idlehost/sdk/abi"
)

// full is a policy with every optional method.
type full struct {
	learned [100]uint64
	params  map[string]string
	closed  int
}

func (f *full) Accept(e *Event) Verdict {
	e.SetLease(PhaseIdle, 1500*time.Microsecond)
	return Default()
}
func (f *full) Timeout(e *Event) Verdict {
	return Extend(e.Idle()).WithReason(7).WithLog()
}
func (f *full) Close(*Event) { f.closed++ }
func (f *full) State() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&f.learned)), 100)
}
func (f *full) StateFormat() int64 { return 3 }
func (f *full) Configure(p map[string]string) error {
	f.params = p
	if p["bad"] != "" {
		return errors.New("bad=" + p["bad"])
	}
	return nil
}

// bare is a policy with none.
type bare struct{}

func (bare) Accept(*Event) Verdict  { return Close() }
func (bare) Timeout(*Event) Verdict { return Default() }

func TestEventLayout(t *testing.T) {
	var e Event
	if got := unsafe.Offsetof(e.Gaps); got != abi.GapsOffset {
		t.Errorf("Gaps at %d, want %d", got, abi.GapsOffset)
	}
	if got := unsafe.Sizeof(e); got < abi.BufferSize {
		t.Errorf("Event has %d bytes, the host writes %d", got, abi.BufferSize)
	}
	if got := unsafe.Offsetof(e.leased); got < abi.BufferSize {
		t.Errorf("leased at %d, within what the host writes", got)
	}
}

func TestGuestAnswers(t *testing.T) {
	g, f := new(guest), new(full)
	if err := g.register(f); err != nil {
		t.Fatal(err)
	}
	g.event.Size = abi.EventUsed
	if got, want := g.accept(), abi.Verdict(abi.ActionDefault, 0, abi.FlagLeases, 0); got != want {
		t.Errorf("accept = %#x, want %#x", got, want)
	}
	if got := g.event.Leases[PhaseIdle]; got != 2 {
		t.Errorf("lease of 1.5 ms = %d ms, want 2", got)
	}
	g.event.IdleMs = 250
	if got, want := g.timeout(), abi.Verdict(abi.ActionExtend, 250, abi.FlagLog, 7); got != want {
		t.Errorf("timeout = %#x, want %#x (no leases edited)", got, want)
	}
	if g.closed(); f.closed != 1 {
		t.Errorf("Close called %d times", f.closed)
	}
	if len(g.state) != 100 || g.format != 3 {
		t.Errorf("state of %d bytes, format %d", len(g.state), g.format)
	}
}

func TestGuestBare(t *testing.T) {
	g := new(guest)
	if err := g.register(bare{}); err != nil {
		t.Fatal(err)
	}
	if got, want := g.accept(), abi.Verdict(abi.ActionClose, 0, 0, 0); got != want {
		t.Errorf("accept = %#x, want %#x", got, want)
	}
	g.closed()
	if err := g.configure(0); err != nil {
		t.Errorf("no parameters: %v", err)
	}
	n := copy(g.params[:], "idle=5s\n")
	if err := g.configure(int32(n)); err == nil || !strings.Contains(err.Error(), `"idle"`) {
		t.Errorf("a parameter for a policy without any: %v", err)
	}
}

func TestGuestConfigure(t *testing.T) {
	g, f := new(guest), new(full)
	if err := g.configure(0); err == nil {
		t.Error("configured without a policy")
	}
	if err := g.register(f); err != nil {
		t.Fatal(err)
	}
	n := copy(g.params[:], "a=1\nb=x=y\n")
	if err := g.configure(int32(n)); err != nil || f.params["a"] != "1" || f.params["b"] != "x=y" {
		t.Errorf("params %v, error %v", f.params, err)
	}
	n = copy(g.params[:], "bad=7\n")
	if err := g.configure(int32(n)); err == nil || err.Error() != "bad=7" {
		t.Errorf("error = %v", err)
	}
	for _, n := range []int32{-1, 4097, 1<<31 - 1} {
		if g.fits(n) || g.configure(n) == nil {
			t.Errorf("%d bytes of parameters accepted", n)
		}
	}
	if !g.fits(0) || !g.fits(4096) {
		t.Error("0 or 4096 bytes of parameters refused")
	}
}

// learned is what a policy has learned, in a format without a number.
type learned struct {
	bare
	state []byte
}

func (l learned) State() []byte { return l.state }

func TestRegister(t *testing.T) {
	if err := new(guest).register(nil); err == nil {
		t.Error("nil registered")
	}
	for n, want := range map[int]bool{0: true, 1: true, 12: true, StateMax: true, StateMax + 1: false} {
		if err := new(guest).register(learned{state: MakeState(n)}); (err == nil) != want {
			t.Errorf("a state of %d bytes: %v", n, err)
		}
	}
	if err := new(guest).register(learned{state: MakeState(9)[1:]}); err == nil || !strings.Contains(err.Error(), "MakeState") {
		t.Errorf("a state at an odd address: %v", err)
	}
	g := new(guest)
	if err := g.register(bare{}); err != nil {
		t.Fatal(err)
	}
	if err := g.register(bare{}); err == nil {
		t.Error("registered twice")
	}
	defer func() {
		if recover() == nil {
			t.Error("Register(nil) does not panic natively")
		}
	}()
	Register(bare{})
	Register(nil)
}

func TestOlderHost(t *testing.T) {
	for _, size := range []uint16{0, 1, 64, abi.EventControlMsOffset + 3, abi.EventControlMsOffset + 4, 439, 440, 512, 65535} {
		var e Event
		fill := unsafe.Slice((*byte)(unsafe.Pointer(&e.Event)), abi.EventUsed)
		for i := range fill {
			fill[i] = 0xaa
		}
		e.Size = size
		e.Begin()
		for i := max(int(size), 2); i < abi.EventUsed; i++ {
			switch {
			case i >= abi.EventControlMsOffset && i < abi.EventControlMsOffset+4,
				i >= abi.EventRecvMsOffset && i < abi.EventRecvMsOffset+4,
				i >= abi.EventClientClosedMsOffset && i < abi.EventClientClosedMsOffset+4:
				if fill[i] != 0xff {
					t.Errorf("size %d: byte %d = %#x, want never", size, i, fill[i])
				}
			case fill[i] != 0:
				t.Errorf("size %d: byte %d = %#x, want 0", size, i, fill[i])
			}
		}
		for i := 2; i < min(int(size), abi.EventControlMsOffset); i++ {
			if fill[i] != 0xaa {
				t.Errorf("size %d: byte %d changed", size, i)
			}
		}
	}
}

func TestLogText(t *testing.T) {
	if got := logText(strings.Repeat("a", 255) + "é"); len(got) != 255 {
		t.Errorf("cut to %d bytes, want 255: a rune is not split", len(got))
	}
	if got := logText(strings.Repeat("\x80", 300)); len(got) < 250 || len(got) > LogMax {
		t.Errorf("rubbish cut to %d bytes", len(got))
	}
	if got := logText("short"); got != "short" {
		t.Errorf("got %q", got)
	}
}

// learner asks Fit on every timeout.
type learner struct{ bare }

func (learner) Timeout(e *Event) Verdict {
	if hold := (Fit{}).Hold(e); hold > e.Idle() {
		return Extend(hold - e.Idle())
	}
	return Close()
}

func TestGuestAllocates(t *testing.T) {
	g := new(guest)
	if err := g.register(learner{}); err != nil {
		t.Fatal(err)
	}
	g.event.Size = abi.EventUsed
	g.event.IdleMs = 200
	if n := testing.AllocsPerRun(100, func() { g.accept(); g.timeout(); g.closed() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	g.event.Size = 64
	if n := testing.AllocsPerRun(100, func() { g.timeout() }); n != 0 {
		t.Errorf("%v allocations with an older host", n)
	}
}

func BenchmarkFit(b *testing.B) {
	var e Event
	e.WorthMs, e.IdleMs, e.Gaps.Unit = 60_000, 200, 256
	for i := range e.Gaps.Returned {
		e.Gaps.Returned[i], e.Gaps.Gone[i], e.Gaps.Cut[i] = 1000, 300, 200
	}
	for i := range e.ClientGaps {
		e.ClientGaps[i] = uint32(i*700 + 1)
	}
	for b.Loop() {
		Fit{}.Hold(&e)
	}
}
