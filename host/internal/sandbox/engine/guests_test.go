package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// build runs a tool that writes a module to the argument "OUT", or skips the
// test without it.
func build(t *testing.T, env []string, tool string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed", tool)
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	args[slices.Index(args, "OUT")] = out
	cmd := exec.Command(tool, args...)
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// write puts text into a file of its own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExampleOfTheSpecification: what sdk/ABI.md shows is a policy, and does
// what the text says.
func TestExampleOfTheSpecification(t *testing.T) {
	doc, err := os.ReadFile("../../../../sdk/ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "```wat\n")
	wat, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("sdk/ABI.md has no example")
	}
	p := load(t, newEngine(t, Config{}), source(build(t, nil, "wat2wasm", write(t, "guest.wat", wat), "-o", "OUT")))

	q := at(abi.KindAccept, 0)
	v, fault := p.Decide(q)
	wantFault(t, "accept", fault, policy.FaultNone)
	if v.Action != abi.ActionDefault || !v.Leases || q.Event.Leases[abi.PhaseIdle] != 5000 {
		t.Errorf("accept answers %+v, idle lease %d", v, q.Event.Leases[abi.PhaseIdle])
	}
	q = at(abi.KindTimeout, 0)
	q.Event.Phase = uint8(abi.PhaseIdle)
	for asks, want := range map[uint32]policy.Verdict{
		0: {Action: abi.ActionExtend, Deadline: 30 * time.Second, Source: policy.SourcePolicy},
		1: {Action: abi.ActionClose, Reason: 7, Log: true, Source: policy.SourcePolicy},
	} {
		q.Event.Requests = 10
		q.Event.State[0] = byte(asks)
		v, fault = p.Decide(q)
		wantFault(t, "timeout", fault, policy.FaultNone)
		if v != want {
			t.Errorf("after %d extensions: got %+v, want %+v", asks, v, want)
		}
		if want.Action == abi.ActionExtend && q.Event.State[0] != 1 {
			t.Error("the extension is not counted")
		}
	}
	q.Event.Phase, q.Event.State[0] = uint8(abi.PhaseBody), 0
	if v, _ = p.Decide(q); v.Action != abi.ActionDefault {
		t.Errorf("in the body: got %+v, want the default", v)
	}
}

// TestCGuest: the generated header is all that a guest in C needs.
func TestCGuest(t *testing.T) {
	if _, err := exec.LookPath("wasm-ld"); err != nil {
		t.Skip("wasm-ld is not installed")
	}
	src := write(t, "guest.c", `
#include "idlehost.h"
#define EXPORT(name) __attribute__((export_name(#name)))
static struct { struct event event; u8 pad[EVENT_SIZE - EVENT_USED]; struct gaps gaps; } buffer __attribute__((aligned(8)));
_Static_assert(sizeof buffer == BUFFER_SIZE, "buffer");
EXPORT(abi_version) u32 abi_version(void) { return ABI_VERSION; }
EXPORT(event_buffer) u64 event_buffer(void) { return (u64)sizeof buffer << 32 | (u32)&buffer; }
EXPORT(on_accept) u64 on_accept(void) { return (u64)ACTION_EXTEND << 32 | (buffer.event.client_gaps[31] + buffer.gaps.cut[95]); }
EXPORT(on_timeout) u64 on_timeout(void) { buffer.event.leases[PHASE_DRAINING] = 3; return (u64)FLAG_LEASES << 40; }
`)
	wasm := build(t, nil, "clang", "--target=wasm32", "-O2", "-nostdlib", "-Wl,--no-entry", "-I", "../../../../sdk/c", "-o", "OUT", src)
	p := load(t, newEngine(t, Config{}), source(wasm))
	q := at(abi.KindAccept, 0)
	q.Event.ClientGaps[31] = 1000
	q.Gaps = &policy.Gaps{Generation: 9}
	q.Gaps.Cut[95] = 234
	v, fault := p.Decide(q)
	wantFault(t, "accept", fault, policy.FaultNone)
	if v.Deadline != 1234*time.Millisecond {
		t.Errorf("the guest sees %v, want 1.234s", v.Deadline)
	}
	q.Event.Kind = uint8(abi.KindTimeout)
	if v, _ = p.Decide(q); !v.Leases || q.Event.Leases[abi.PhaseDraining] != 3 {
		t.Errorf("got %+v, lease %d", v, q.Event.Leases[abi.PhaseDraining])
	}
}

// TestGoGuest: a guest built by Go finds what it imports, sees no world but
// the event's, and says what it panics with.
func TestGoGuest(t *testing.T) {
	wasm := build(t, []string{"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS="}, "go", "build", "-buildmode=c-shared", "-o", "OUT", "./testdata/goguest")
	var j journal
	// Its first question takes 410,000 units, all others 150,000.
	p := load(t, newEngine(t, Config{Log: j.log, CallFuel: 500_000}), source(wasm))
	for n := range uint64(3) {
		v, fault := p.Decide(at(abi.KindAccept, n))
		wantFault(t, "accept", fault, policy.FaultNone)
		if want := time.Duration(n) * time.Millisecond; v.Deadline != want {
			t.Errorf("the guest's clock ends in %v, want %v", v.Deadline, want)
		}
	}
	if want := "2 guest args 0 environ 0 slept 1h0m0s 0"; strings.Count(j.text(), want) != 3 {
		t.Errorf("log is\n%s\nwant thrice %s", j.text(), want)
	}
	_, fault := p.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "panic", fault, policy.FaultTrap)
	if !strings.Contains(j.text(), "2 guest panic: no answer") {
		t.Errorf("log is\n%s", j.text())
	}
	_, fault = p.Decide(at(abi.KindAccept, 0))
	wantFault(t, "a fresh instance", fault, policy.FaultNone)
}
