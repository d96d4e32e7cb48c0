package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// importer returns a guest whose on_timeout runs code, in which function 0 is
// the import, and answers with what code leaves: an i32.
func importer(module, name string, params, results int, data []wasmtest.Data, code ...[]byte) wasmtest.Module {
	m := wasmtest.Guest(echo(code...))
	m.Data = data
	m.Imports = []wasmtest.Import{{
		Module: module, Name: name,
		Params:  []byte(strings.Repeat(string([]byte{wasmtest.I32}), params)),
		Results: []byte(strings.Repeat(string([]byte{wasmtest.I32}), results)),
	}}
	return m
}

const wasi = "wasi_snapshot_preview1"

func TestLog(t *testing.T) {
	text := []byte("hello\nfrom \xff the guest" + strings.Repeat("x", 300))
	say := func(level int32) []byte {
		return wasmtest.Code(wasmtest.Const32(level), wasmtest.Const32(64), wasmtest.Const32(int32(len(text))), wasmtest.Call(0))
	}
	var j journal
	e := newEngine(t, Config{Log: j.log})
	p := load(t, e, source(importer("idlehost", "log", 3, 0, []wasmtest.Data{{Offset: 64, Bytes: text}},
		say(0), say(3), say(-5), say(9), wasmtest.Const32(1)).Bytes()))
	answer(t, p, at(0, 0))
	lines := strings.Split(j.text(), "\n")
	if len(lines) != 4 {
		t.Fatalf("log has %d lines:\n%s", len(lines), j.text())
	}
	for i, level := range []string{"0", "3", "0", "3"} {
		if want := level + " guest hello; from ? the guestx"; !strings.HasPrefix(lines[i], want) || len(lines[i]) > 300 {
			t.Errorf("line %d is %q", i, lines[i])
		}
	}
}

func TestLogIsRateLimited(t *testing.T) {
	var j journal
	e := newEngine(t, Config{Log: j.log})
	p := load(t, e, source(importer("idlehost", "log", 3, 0, []wasmtest.Data{{Offset: 64, Bytes: []byte("hi")}},
		wasmtest.Const32(1), wasmtest.Const32(64), wasmtest.Const32(2), wasmtest.Call(0), wasmtest.Const32(1)).Bytes()))
	for range logBurst + 10 {
		answer(t, p, at(0, 0))
	}
	if n := strings.Count(j.text(), "hi"); n != logBurst {
		t.Errorf("%d lines passed, want %d", n, logBurst)
	}
	answer(t, p, at(0, 999))
	if n := strings.Count(j.text(), "hi"); n != logBurst {
		t.Errorf("a line passed before its time")
	}
	answer(t, p, at(0, 1000))
	if n := strings.Count(j.text(), "hi"); n != logBurst+1 || !strings.Contains(j.text(), "2 guest 11 lines dropped") {
		t.Errorf("a second later the log is\n%s", j.text())
	}
}

func TestLogOutsideMemoryTraps(t *testing.T) {
	p := loadGuest(t, importer("idlehost", "log", 3, 0, nil,
		wasmtest.Const32(1), wasmtest.Const32(65530), wasmtest.Const32(7), wasmtest.Call(0), wasmtest.Const32(1)))
	_, fault := p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "log", fault, policy.FaultTrap)
	if err := p.Err(); !strings.Contains(err.Error(), "log: 7 bytes at 65530 are outside the memory of 65536") {
		t.Error(err)
	}
}

func TestAbortTellsWhy(t *testing.T) {
	wide := func(s string) []byte {
		b := binary.LittleEndian.AppendUint32(nil, uint32(2*len(s)))
		for _, c := range utf16.Encode([]rune(s)) {
			b = binary.LittleEndian.AppendUint16(b, c)
		}
		return b
	}
	p := loadGuest(t, importer("env", "abort", 4, 0, []wasmtest.Data{{Offset: 64, Bytes: wide("bad index")}, {Offset: 128, Bytes: wide("a.ts")}},
		wasmtest.Const32(68), wasmtest.Const32(132), wasmtest.Const32(12), wasmtest.Const32(3), wasmtest.Call(0), wasmtest.Const32(1)))
	_, fault := p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "abort", fault, policy.FaultTrap)
	if err := p.Err(); !strings.Contains(err.Error(), "abort: bad index at a.ts:12:3") {
		t.Error(err)
	}
	// Pointers to nowhere are no reason to fail otherwise than by the trap.
	p = loadGuest(t, importer("env", "abort", 4, 0, nil,
		wasmtest.Const32(-1), wasmtest.Const32(2), wasmtest.Const32(1), wasmtest.Const32(1), wasmtest.Call(0), wasmtest.Const32(1)))
	_, fault = p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "abort", fault, policy.FaultTrap)
}

func TestProcExitTraps(t *testing.T) {
	p := loadGuest(t, importer(wasi, "proc_exit", 1, 0, nil, wasmtest.Const32(0), wasmtest.Call(0), wasmtest.Const32(1)))
	_, fault := p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "proc_exit", fault, policy.FaultTrap)
	if err := p.Err(); !strings.Contains(err.Error(), "guest exited with code 0") {
		t.Error(err)
	}
}

// TestRandomnessIsTheEvents: the same event gives the same bytes, in another
// instance too; another event gives others.
func TestRandomnessIsTheEvents(t *testing.T) {
	m := importer(wasi, "random_get", 2, 1, nil, wasmtest.Const32(64), wasmtest.Const32(4), wasmtest.Call(0), wasmtest.Drop(), wasmtest.Load32(64))
	p, q := loadGuest(t, m), loadGuest(t, m)
	ask := at(0, 0)
	ask.Event.Random = 12345
	first := answer(t, p, ask)
	if again, other := answer(t, p, ask), answer(t, q, ask); again != first || other != first {
		t.Errorf("got %d, %d, %d", first, again, other)
	}
	ask.Event.Random++
	if answer(t, p, ask) == first {
		t.Error("another event's randomness is the same")
	}
}

func TestSnapshotOfWASI(t *testing.T) {
	for _, c := range []struct {
		name            string
		params, results int
		code            []byte
		want            uint32
	}{
		{"sched_yield", 0, 1, wasmtest.Call(0), wasiOK},
		{"args_sizes_get", 2, 1, wasmtest.Code(wasmtest.Store32(64, wasmtest.Const32(9)), wasmtest.Const32(64), wasmtest.Const32(68), wasmtest.Call(0), wasmtest.Drop(), wasmtest.Load32(64)), 0},
		{"environ_sizes_get", 2, 1, wasmtest.Code(wasmtest.Const32(64), wasmtest.Const32(65534), wasmtest.Call(0)), wasiFault},
		{"args_get", 2, 1, wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Call(0)), wasiOK},
		{"environ_get", 2, 1, wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Call(0)), wasiOK},
		{"fd_close", 1, 1, wasmtest.Code(wasmtest.Const32(3), wasmtest.Call(0)), wasiBadf},
		{"fd_prestat_get", 2, 1, wasmtest.Code(wasmtest.Const32(3), wasmtest.Const32(0), wasmtest.Call(0)), wasiBadf},
		{"random_get", 2, 1, wasmtest.Code(wasmtest.Const32(65535), wasmtest.Const32(2), wasmtest.Call(0)), wasiFault},
		{"random_get", 2, 1, wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(maxRandom+1), wasmtest.Call(0)), wasiInval},
		{"fd_write", 4, 1, wasmtest.Code(wasmtest.Const32(3), wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Call(0)), wasiBadf},
		{"fd_write", 4, 1, wasmtest.Code(wasmtest.Const32(1), wasmtest.Const32(0), wasmtest.Const32(maxVectors+1), wasmtest.Const32(0), wasmtest.Call(0)), wasiInval},
		{"fd_write", 4, 1, wasmtest.Code(wasmtest.Const32(1), wasmtest.Const32(65532), wasmtest.Const32(1), wasmtest.Const32(0), wasmtest.Call(0)), wasiFault},
		{"fd_write", 4, 1, wasmtest.Code(wasmtest.Const32(1), wasmtest.Const32(-4), wasmtest.Const32(1), wasmtest.Const32(0), wasmtest.Call(0)), wasiFault},
		{"poll_oneoff", 4, 1, wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Call(0)), wasiInval},
		{"poll_oneoff", 4, 1, wasmtest.Code(wasmtest.Const32(65500), wasmtest.Const32(0), wasmtest.Const32(1), wasmtest.Const32(0), wasmtest.Call(0)), wasiFault},
		{"poll_oneoff", 4, 1, wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Const32(maxSubscribe+1), wasmtest.Const32(0), wasmtest.Call(0)), wasiInval},
	} {
		p := loadGuest(t, importer(wasi, c.name, c.params, c.results, nil, c.code))
		if got := answer(t, p, at(0, 0)); got != c.want {
			t.Errorf("%s: answered %d, want %d", c.name, got, c.want)
		}
	}
}

func TestStandardErrorGoesToTheLog(t *testing.T) {
	vectors := binary.LittleEndian.AppendUint32(nil, 128)
	vectors = binary.LittleEndian.AppendUint32(vectors, 6)
	vectors = binary.LittleEndian.AppendUint32(vectors, 134)
	vectors = binary.LittleEndian.AppendUint32(vectors, 3)
	var j journal
	e := newEngine(t, Config{Log: j.log})
	p := load(t, e, source(importer(wasi, "fd_write", 4, 1, []wasmtest.Data{{Offset: 64, Bytes: vectors}, {Offset: 128, Bytes: []byte("one\ntwo!\n")}},
		wasmtest.Const32(2), wasmtest.Const32(64), wasmtest.Const32(2), wasmtest.Const32(80), wasmtest.Call(0), wasmtest.Drop(), wasmtest.Load32(80)).Bytes()))
	if got := answer(t, p, at(0, 0)); got != 9 {
		t.Errorf("%d bytes were written, want 9", got)
	}
	if want := "2 guest one\n2 guest two!"; j.text() != want {
		t.Errorf("log is\n%s\nwant\n%s", j.text(), want)
	}
}

// TestClockIsTheEvents: it stands still during a call, and sleeping moves
// only the monotonic one.
func TestClockIsTheEvents(t *testing.T) {
	w := newCallContext()
	ask := at(0, 5)
	w.begin(&ask.Event)
	sub, event := make([]byte, subscriptionBytes), make([]byte, pollEventBytes)
	binary.LittleEndian.PutUint64(sub, 77)       // userdata
	binary.LittleEndian.PutUint64(sub[24:], 1e9) // one second
	w.poll(event, sub)
	if w.nowMs != ask.Event.NowMs || w.monoNs != ask.Event.NowMs*1e6+1e9 {
		t.Errorf("after a second's sleep: %d ms, %d ns", w.nowMs, w.monoNs)
	}
	if binary.LittleEndian.Uint64(event) != 77 || event[8] != wasiOK {
		t.Errorf("event is %v", event)
	}
	binary.LittleEndian.PutUint64(sub[24:], ^uint64(0)) // for ever
	before := w.monoNs
	if w.poll(event, sub); w.monoNs < before {
		t.Error("the monotonic clock stepped back")
	}
	sub[8] = 1 // a read from a file
	if w.poll(event, sub); event[8] != wasiBadf || event[10] != 1 {
		t.Errorf("event is %v", event)
	}
	w.begin(&at(0, 0).Event)
	if w.monoNs < before {
		t.Error("the monotonic clock follows an event's clock back")
	}
}

func TestConfigure(t *testing.T) {
	// The guest takes up to 100 bytes at 4096, refuses those that begin with
	// "b", and answers with the length it was given.
	guest := func(room int32) wasmtest.Module {
		m := wasmtest.Guest(
			wasmtest.Func{Export: "configure_buffer", Params: []byte{wasmtest.I32}, Results: []byte{wasmtest.I32}, Body: wasmtest.Const32(room)},
			wasmtest.Func{Export: "configure", Params: []byte{wasmtest.I32}, Results: []byte{wasmtest.I32}, Body: wasmtest.Code(
				wasmtest.LocalGet(0), wasmtest.Extend(), wasmtest.GlobalSet(0),
				wasmtest.Const32(3), wasmtest.Const32(64), wasmtest.Const32(11), wasmtest.Call(0),
				wasmtest.Load8(4096), wasmtest.Extend(), wasmtest.Const64('b'), wasmtest.Equal64())},
			wasmtest.Hook("on_timeout", wasmtest.GlobalGet(0), wasmtest.Const64(1<<32), wasmtest.Or64()),
		)
		m.Imports = []wasmtest.Import{{Module: "idlehost", Name: "log", Params: []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}}}
		m.Data = []wasmtest.Data{{Offset: 64, Bytes: []byte("no b, sorry")}}
		m.Globals = []int64{-1}
		return m
	}
	e := newEngine(t, Config{})
	try := func(m wasmtest.Module, params map[string]string) (*Policy, error) {
		src := source(m.Bytes())
		src.Params = params
		return e.Load(context.Background(), src)
	}
	p, err := try(guest(4096), map[string]string{"z": "", "aa": "=1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := answer(t, p, at(0, 0)); got != uint32(len("aa==1\nz=\n")) {
		t.Errorf("guest was given %d bytes", got)
	}
	if p, err = try(guest(0), nil); err != nil {
		t.Fatalf("without parameters no buffer is asked for: %v", err)
	}
	if got := answer(t, p, at(0, 0)); got != 0 {
		t.Errorf("guest was given %d bytes, want 0", got)
	}
	for _, c := range []struct {
		m      wasmtest.Module
		params map[string]string
		want   string
	}{
		{guest(4096), map[string]string{"b": "1"}, "configure: parameters refused with code 1: no b, sorry"},
		{guest(0), map[string]string{"a": "1"}, "configure: has no room for 4 bytes of parameters"},
		{guest(65533), map[string]string{"a": "1"}, "configure: wants 4 bytes of parameters at 65533, outside"},
		{wasmtest.Guest(), map[string]string{"a": "1"}, `takes no parameters (exports no function "configure")`},
		{guest(4096), map[string]string{"": "1"}, `parameters: parameter name ""`},
		{guest(4096), map[string]string{"a=": "1"}, `parameter name "a="`},
		{guest(4096), map[string]string{"a": "1\n2"}, `value of parameter "a"`},
		{guest(4096), map[string]string{"a": "\xff"}, `value of parameter "a"`},
		{guest(4096), map[string]string{"a": strings.Repeat("x", paramBytes)}, "parameters take 65539 bytes, more than 65536"},
	} {
		_, err := try(c.m, c.params)
		if err == nil {
			t.Errorf("%s: loaded", c.want)
			continue
		}
		wantError(t, err, policy.FaultConfigure, c.want)
	}
}

// FuzzImports calls what a guest may import with any arguments on a page of
// any bytes: it answers or traps, and touches nothing outside.
func FuzzImports(f *testing.F) {
	f.Add("wasi_snapshot_preview1", "fd_write", []byte("\x40\x00\x00\x00\x05\x00\x00\x00"), uint64(1), uint64(0), uint64(1), uint64(64))
	f.Add("wasi_snapshot_preview1", "poll_oneoff", []byte{}, uint64(0), uint64(100), uint64(16), uint64(65532))
	f.Add("env", "abort", []byte("\xff\xff\xff\xff"), uint64(4), uint64(1<<32-1), uint64(0), uint64(0))
	f.Add("idlehost", "log", []byte("\xff"), uint64(7), uint64(0), uint64(65536), uint64(0))
	p := loadGuest(f, wasmtest.Guest())
	funcs := hostFuncs()
	f.Fuzz(func(t *testing.T, module, name string, page []byte, a, b, c, d uint64) {
		fn, ok := funcs[module][name]
		if !ok {
			return
		}
		p.inst.mem.Write(0, page)
		before := p.inst.mem.Size()
		trapped := func() (err any) {
			defer func() { err = recover() }()
			p.inst.fuel.set(1 << 40)
			fn.call(p.callCtx, p.inst.mem, []uint64{a, b, c, d})
			return nil
		}()
		if err, isError := trapped.(error); trapped != nil && (!isError || errors.As(err, new(runtime.Error))) {
			t.Errorf("%s.%s(%d, %d, %d, %d) panics: %v", module, name, a, b, c, d, trapped)
		}
		if lines := p.callCtx.log.take(0); len(lines) > 2*logBurst || p.inst.mem.Size() != before {
			t.Errorf("%d lines, memory of %d bytes", len(lines), p.inst.mem.Size())
		}
	})
}
