package plugins_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"idlehost/plugins"
	"idlehost/sdk/abi"
)

// guest is one bundled policy in the least of hosts: this package may not
// import the host's own, so it holds the modules to the ABI alone.
type guest struct {
	mod             api.Module
	accept, timeout api.Function
	addr            uint32
	size            uint32
	logs            []string
	e               abi.Event
	g               abi.Gaps
	stack           []uint64
}

type answer struct {
	action abi.Action
	flags  uint8
	reason uint16
	ms     uint32
}

// compiled is shared by all guests of a policy: compiling takes most of a test.
var compiled = wazero.NewCompilationCache()

func start(t testing.TB, name string) *guest {
	t.Helper()
	ctx := context.Background()
	wasm, ok := plugins.Lookup(name)
	if !ok {
		t.Fatalf("no policy %s", name)
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(compiled).WithMemoryLimitPages(2).WithCoreFeatures(api.CoreFeatureMutableGlobal))
	t.Cleanup(func() { r.Close(ctx) })
	g := &guest{stack: make([]uint64, 1)}
	_, err := r.NewHostModuleBuilder("idlehost").NewFunctionBuilder().WithFunc(
		func(_ context.Context, m api.Module, level, ptr, n uint32) {
			text, ok := m.Memory().Read(ptr, n)
			if !ok {
				t.Errorf("log of %d bytes at %d is outside memory", n, ptr)
			}
			g.logs = append(g.logs, fmt.Sprintf("%d %s", level, text))
		}).Export("log").Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if g.mod, err = r.Instantiate(ctx, wasm); err != nil {
		t.Fatal(err)
	}
	g.accept, g.timeout = g.mod.ExportedFunction("on_accept"), g.mod.ExportedFunction("on_timeout")
	if v := g.call(t, "abi_version"); v != abi.Version {
		t.Fatalf("ABI version %d", v)
	}
	buffer := g.call(t, "event_buffer")
	g.addr, g.size = uint32(buffer), uint32(buffer>>32)
	if g.addr%8 != 0 || g.size != abi.EventSize && g.size != abi.BufferSize {
		t.Fatalf("buffer of %d bytes at %d", g.size, g.addr)
	}
	g.e = abi.Event{Size: abi.EventUsed, Version: abi.Version, WorthMs: 60_000, Requests: 1, Client: 1}
	g.e.Phase = uint8(abi.PhaseIdle)
	for i := range g.e.Leases {
		g.e.Leases[i] = 60_000
	}
	g.g = abi.Gaps{Generation: 1, Unit: 1 << 17}
	return g
}

func (g *guest) call(t testing.TB, name string, args ...uint64) uint64 {
	t.Helper()
	out, err := g.mod.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out[0]
}

// configure gives parameters as "key=value" and reports whether they were taken.
func (g *guest) configure(t testing.TB, params ...string) bool {
	t.Helper()
	slices.Sort(params)
	var text string
	for _, param := range params {
		text += param + "\n"
	}
	at := g.call(t, "configure_buffer", uint64(len(text)))
	if at == 0 {
		t.Fatalf("no room for %d bytes of parameters", len(text))
	}
	if !g.mod.Memory().WriteString(uint32(at), text) {
		t.Fatal("parameter buffer outside memory")
	}
	return g.call(t, "configure", uint64(len(text))) == 0
}

func started(t testing.TB, name string, params ...string) *guest {
	t.Helper()
	g := start(t, name)
	if !g.configure(t, params...) {
		t.Fatalf("%v refused: %v", params, g.logs)
	}
	return g
}

func (g *guest) ask(t testing.TB, kind abi.Kind) answer {
	t.Helper()
	g.e.Kind = uint8(kind)
	memory := g.mod.Memory()
	ok := memory.Write(g.addr, bytesOf(&g.e))
	if g.size == abi.BufferSize {
		ok = ok && memory.Write(g.addr+abi.GapsOffset, bytesOf(&g.g))
	}
	f := g.timeout
	if kind == abi.KindAccept {
		f = g.accept
	}
	if err := f.CallWithStack(context.Background(), g.stack); err != nil || !ok {
		t.Fatalf("%v: %v", kind, err)
	}
	back, _ := memory.Read(g.addr, abi.EventUsed)
	copy(bytesOf(&g.e), back)
	v := g.stack[0]
	if v>>63 != 0 {
		t.Errorf("%v: verdict %x has bit 63 set", kind, v)
	}
	return answer{abi.Action(v >> 32), uint8(v >> 40), uint16(v >> 48), uint32(v)}
}

// bytesOf views a struct of the ABI as guest memory has it; tests run on
// little-endian machines.
func bytesOf[T abi.Event | abi.Gaps](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// after asks about a connection idle for ms and returns the idle time at
// which the policy wants it closed.
func (g *guest) after(t testing.TB, ms uint32) uint32 {
	t.Helper()
	g.e.IdleMs = ms
	switch a := g.ask(t, abi.KindTimeout); a.action {
	case abi.ActionExtend:
		return ms + a.ms
	case abi.ActionClose:
		return ms
	default:
		t.Fatalf("left to the host: %+v", a)
		return 0
	}
}

func (g *guest) gaps(kind abi.GapKind, lengths ...uint32) {
	for _, ms := range lengths {
		copy(g.e.ClientGaps[1:], g.e.ClientGaps[:])
		g.e.ClientGaps[0] = ms | uint32(kind)<<30
		g.e.ClientGapCount++
	}
}

// tenant adds n fresh gaps to the tenant's histogram.
func (g *guest) tenant(cells *[abi.Bins]uint32, ms uint32, n int) {
	cells[abi.Bin(ms)] += uint32(n) * g.g.Unit
	g.g.Generation += uint32(n)
}

var everyPolicy = slices.Values(plugins.Names())

func TestNamesAndLookup(t *testing.T) {
	if got := slices.Collect(everyPolicy); !slices.Equal(got, []string{"adaptive", "fixed", "histogram", "kinds", "pressure", "quantile", "share", "skirental"}) {
		t.Fatalf("names %v", got)
	}
	for name := range everyPolicy {
		a, ok1 := plugins.Lookup(name)
		b, ok2 := plugins.Lookup(name + ".wasm")
		if !ok1 || !ok2 || string(a) != string(b) || !strings.HasPrefix(string(a), "\x00asm") {
			t.Errorf("%s: not found by both names", name)
		}
		if len(a) > 8<<10 {
			t.Errorf("%s: %d bytes, over 8 KiB", name, len(a))
		}
		a[0] = 1 // the caller's own copy
		if c, _ := plugins.Lookup(name); c[0] != 0 {
			t.Errorf("%s: Lookup handed out shared bytes", name)
		}
	}
	for _, name := range []string{"", ".wasm", "nosuch", "../plugins/fixed", "adaptive.wasm.wasm", "fixed/fixed", `..\fixed`} {
		if _, ok := plugins.Lookup(name); ok {
			t.Errorf("%q was found", name)
		}
	}
}

// What is refused must be named, and must not stick.
func TestBadParameters(t *testing.T) {
	bad := map[string][]string{
		"adaptive": {"look=1", "look=", "look=5x", "worth=-1s", "worth=49d", "worth=1200h", "prior=0", "prior=1001", "prior=1.0001", "alike=0", "alike=1001", "habits=1.001",
			"lambda=1.1", "lambda=.5", "relax_from=2", "nosuch=1", "look", "=", "look=1s,2s"},
		"fixed": {"idle=5", "idle=5s,", "idle=,5s", "idle=1s,0s", "tunnel=1s,2s", "idle=1s,1s,1s,1s,1s,1s,1s,1s,1s", "Idle=5s", "timeout=99999999999s",
			"idle=18446744073709551617ms"},
		"histogram": {"percentile=1.1", "margin=11", "range=25h", "cv=10.001", "enough=0", "enough=33", "out=2", "fallback=5", "rare=", "look=1", "worth=x", "x=y"},
		"kinds": {"stranger=5", "once=", "beat=x", "jitter=0.6", "within=1", "route32=once", "route=once", "routex=once", "route1=beat", "route1=", "route1=onc",
			"route1x=once", "route99999999999=once", "look=1", "worth=1", "peoples=1s", "rout=1"},
		"pressure":  {"idle=abc", "min=1d", "scaling=1.5", "saturation=0.1234", "scaling=", "x=y"},
		"quantile":  {"quantile=0", "quantile=1.001", "quantile=50%", "prior=0", "prior=1001", "prior=1.5", "look=1", "most=1", "worth=1", "x=y"},
		"share":     {"eta=100.001", "share=1.1", "batch=0", "batch=1025", "worth=1", "look=1", "x=y"},
		"skirental": {"mode=", "mode=randomly", "worth=1", "lambda=0.05", "lambda=1.1", "prior=1001", "prior=1.5", "look=1", "x=y"},
	}
	for name := range everyPolicy {
		for _, param := range bad[name] {
			g := start(t, name)
			if g.configure(t, param) {
				t.Errorf("%s took %q", name, param)
				continue
			}
			if len(g.logs) != 1 || !strings.HasPrefix(g.logs[0], "3 parameter "+param) {
				t.Errorf("%s, %q: logged %q", name, param, g.logs)
			}
		}
		g := start(t, name)
		if g.call(t, "configure_buffer", 1<<20) != 0 {
			t.Errorf("%s: made room for a megabyte", name)
		}
		if g.call(t, "configure", 0) != 0 {
			t.Errorf("%s: no parameters are refused", name)
		}
	}
}

// A host that writes less than the policy reads gets no answer out of stale memory.
func TestSmallerEvent(t *testing.T) {
	for name := range everyPolicy {
		g := started(t, name)
		g.e.Size = abi.EventUsed - 4
		for _, kind := range []abi.Kind{abi.KindAccept, abi.KindTimeout} {
			if a := g.ask(t, kind); a.action != abi.ActionDefault || a.flags != 0 {
				t.Errorf("%s, %v: %+v", name, kind, a)
			}
		}
	}
}

// FuzzEvent gives every policy arbitrary events and histograms: each answers,
// within what the ABI allows, and never traps.
func FuzzEvent(f *testing.F) {
	guests := map[string]*guest{}
	for name := range everyPolicy {
		guests[name] = started(f, name)
	}
	f.Add(make([]byte, abi.EventUsed), uint32(0))
	f.Add([]byte(strings.Repeat("\xff", abi.EventUsed)), uint32(1<<32-1))
	f.Fuzz(func(t *testing.T, event []byte, weight uint32) {
		for name, g := range guests {
			g.e = abi.Event{}
			copy(bytesOf(&g.e), event)
			g.e.Size = abi.EventUsed
			for i := range g.g.Returned {
				weight = weight*1664525 + 1013904223
				g.g.Returned[i], g.g.Gone[i], g.g.Cut[i] = weight, weight>>7, weight>>13
			}
			g.g.Unit = weight >> 9
			phase := abi.Phase(g.e.Phase)
			for _, kind := range []abi.Kind{abi.KindAccept, abi.KindTimeout} {
				a := g.ask(t, kind)
				if a.action > abi.ActionClose || a.flags > abi.FlagLeases|abi.FlagLog {
					t.Fatalf("%s, %v in %v: %+v", name, kind, phase, a)
				}
				if a.action == abi.ActionExtend && a.ms == 0 {
					t.Fatalf("%s, %v in %v: extends by nothing", name, kind, phase)
				}
			}
		}
	})
}

func TestConfigureStartsAfresh(t *testing.T) {
	g := started(t, "fixed", "idle=5s")
	g.configure(t)
	g.ask(t, abi.KindAccept)
	if got := g.e.Leases[abi.PhaseIdle]; got != 75_000 {
		t.Errorf("lease %d after configuring without parameters", got)
	}
	if want := slices.Sorted(maps.Keys(g.mod.ExportedFunctionDefinitions())); len(want) != 6 {
		t.Errorf("exports %v", want)
	}
}
