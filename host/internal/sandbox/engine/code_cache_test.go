package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// settled asserts how many codes are known, and how many of them unused.
func settled(t *testing.T, e *Engine, known, spare int) {
	t.Helper()
	k := e.codeCache
	k.mu.Lock()
	defer k.mu.Unlock()
	users, bytes := 0, 0
	for _, c := range k.known {
		users += c.users
	}
	for _, c := range k.spare {
		bytes += c.bytes
		if c.users != 0 || k.known[c.key] != c {
			t.Error("what is spare is used, or unknown")
		}
	}
	if len(k.known) != known || len(k.spare) != spare || users != len(e.policies) || bytes != k.unused || len(k.pending) != 0 {
		t.Errorf("%d known, %d spare, %d uses by %d policies, %d bytes counted as %d, %d in the making: want %d known, %d spare",
			len(k.known), len(k.spare), users, len(e.policies), bytes, k.unused, len(k.pending), known, spare)
	}
}

func shut(t *testing.T, p *Policy) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestKnownBytesAreCompiledOnce, also if nobody has used them for a moment.
func TestKnownBytesAreCompiledOnce(t *testing.T) {
	c := &elsewhere{dir: t.TempDir()}
	e := newEngine(t, Config{Compiler: c})
	first, second := load(t, e, source(tiny().Bytes())), load(t, e, source(tiny().Bytes()))
	settled(t, e, 1, 0)
	shut(t, first)
	shut(t, second)
	settled(t, e, 1, 1)
	third := load(t, e, source(tiny().Bytes()))
	settled(t, e, 1, 0)
	if c.compiled != 1 {
		t.Errorf("compiled %d times", c.compiled)
	}
	_, fault := third.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "the third", fault, policy.FaultNone)
}

// TestUnusedCodeIsBounded by number and by bytes, the longest unused goes first.
func TestUnusedCodeIsBounded(t *testing.T) {
	e := newEngine(t, Config{})
	for n := range maxSpare + 5 {
		shut(t, load(t, e, version(n)))
	}
	settled(t, e, maxSpare, maxSpare)
	c := &elsewhere{dir: t.TempDir()}
	e = newEngine(t, Config{Compiler: c, SpareCode: 3 * 600})
	for n := range 10 {
		shut(t, load(t, e, version(n)))
	}
	settled(t, e, 3, 3)
	shut(t, load(t, e, version(7)))
	if c.compiled != 10 {
		t.Error("the last but two was forgotten")
	}
	shut(t, load(t, e, version(6)))
	if c.compiled != 11 {
		t.Error("the last but three was kept")
	}
	e = newEngine(t, Config{SpareCode: -1})
	shut(t, load(t, e, version(0)))
	settled(t, e, 0, 0)
}

// TestUnusedCodeIsDropped at once where somebody wants that, and what is used stays.
func TestUnusedCodeIsDropped(t *testing.T) {
	e := newEngine(t, Config{})
	used := load(t, e, version(0))
	shut(t, load(t, e, version(1)))
	settled(t, e, 2, 1)
	if err := e.DropSpareCode(); err != nil {
		t.Fatal(err)
	}
	settled(t, e, 1, 0)
	_, fault := used.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "what is used", fault, policy.FaultNone)
}

// TestWhatIsRefusedIsNotKnown: it is refused again, for whoever loads it.
func TestWhatIsRefusedIsNotKnown(t *testing.T) {
	e := newEngine(t, Config{})
	for range 2 {
		_, err := e.Load(context.Background(), source(append(wasmtest.Guest().Bytes(), 1, 2, 3)))
		wantError(t, err, policy.FaultRefused, "gate: ")
	}
	settled(t, e, 0, 0)
	// What fails later leaves good code behind.
	_, err := e.Load(context.Background(), source(wasmtest.Guest(wasmtest.Func{Export: "_initialize", Body: wasmtest.Unreachable()}).Bytes()))
	wantError(t, err, policy.FaultInit, "_initialize: ")
	settled(t, e, 1, 1)
}

// TestSharedRuntimesAreReplaced before uploads fill them with types, and closed
// when the last code of theirs is gone.
func TestSharedRuntimesAreReplaced(t *testing.T) {
	e := newEngine(t, Config{SpareCode: -1})
	first := load(t, e, version(0))
	old := first.code.shared
	old.types = sharedTypes + 1
	second, third := load(t, e, version(1)), load(t, e, version(0))
	if second.code.shared == old || third.code.shared != old || old.users != 1 || second.code.shared.users != 1 {
		t.Fatalf("of the shared runtimes, one is used %d times", old.users)
	}
	for _, p := range []*Policy{first, second, third} {
		_, fault := p.Decide(at(abi.KindAccept, 0))
		wantFault(t, "in either shared runtime", fault, policy.FaultNone)
	}
	shut(t, first)
	if _, err := old.newTrampoline(); err != nil {
		t.Errorf("closed under the third: %v", err)
	}
	shut(t, third)
	if _, err := old.newTrampoline(); err == nil {
		t.Error("the old shared runtime is still open")
	}
	_, fault := second.Decide(at(abi.KindAccept, 0))
	wantFault(t, "the second", fault, policy.FaultNone)
	second.code.shared.types = sharedTypes + 1
	shut(t, second)
	shut(t, load(t, e, version(2))) // finds an empty shared runtime to replace
}

// TestTypesOfASharedRuntimeAreCounted as they are in the module, the entry's
// included.
func TestTypesOfASharedRuntimeAreCounted(t *testing.T) {
	e := newEngine(t, Config{})
	before := load(t, e, version(0)).code.shared.types
	load(t, e, version(0))
	if s := load(t, e, version(2)).code.shared; s.types != 2*before || before < 3 {
		t.Errorf("%d types, then %d", before, s.types)
	}
}

// TestOwnersMemoryBound: an owner's bound holds for what a memory begins with,
// and for what it grows to, whoever else uses the code.
func TestOwnersMemoryBound(t *testing.T) {
	e := newEngine(t, Config{MemoryPages: 8})
	m := wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Grow(2), wasmtest.Drop(), wasmtest.Const64(wasmtest.Extend60s)), wasmtest.Hook("on_accept", wasmtest.Grow(1000), wasmtest.Drop(), wasmtest.Unreachable()))
	m.Pages = 2
	src := source(m.Bytes())
	for _, c := range []struct{ pages, grown uint32 }{{0, 8}, {100, 8}, {5, 4}, {4, 4}, {2, 2}} {
		src.MemoryPages = c.pages
		p := load(t, e, src)
		for range 4 {
			_, fault := p.Decide(at(abi.KindTimeout, 0))
			wantFault(t, "grow", fault, policy.FaultNone)
		}
		if got := p.Stats().MemoryBytes; got != uint64(c.grown)*pageBytes {
			t.Errorf("bound of %d pages: memory grew to %d bytes", c.pages, got)
		}
		_, fault := p.Decide(at(abi.KindAccept, 0))
		wantFault(t, "refused", fault, policy.FaultMemory)
	}
	src.MemoryPages = 1
	_, err := e.Load(context.Background(), src)
	wantError(t, err, policy.FaultMemory, "memory: begins with 2 pages of 64 KiB; the limit is 1")
	settled(t, e, 1, 0)
}

// TestHammerCodes: many load, ask and close versions, unused ones are few.
func TestHammerCodes(t *testing.T) {
	e := newEngine(t, Config{SpareCode: 2000})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range 60 {
				n := 2 * rng.IntN(6)
				p, err := e.Load(t.Context(), version(n))
				if err != nil {
					t.Error(err)
					return
				}
				v, fault := p.Decide(at(abi.KindTimeout, uint64(i)))
				if want := wasmtest.Extend60s&0xffff + n; fault != policy.FaultNone || int(v.Deadline.Milliseconds()) != want {
					t.Errorf("version %d answers %v, %v", n, v, fault)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(e.policies) != 0 || e.codeCache.unused > 2000 || e.codeCache.shared.users != len(e.codeCache.known) {
		t.Errorf("%d policies, %d bytes, %d codes, %d in the shared runtime", len(e.policies), e.codeCache.unused, len(e.codeCache.known), e.codeCache.shared.users)
	}
}

// TestContextEndsWaitForTheMaker of the same bytes, who goes on.
func TestContextEndsWaitForTheMaker(t *testing.T) {
	k := newCodeCache(nil, nil, 0, false)
	key := [32]byte{1}
	if c, err := k.acquire(t.Context(), key, idly); c != nil || err != nil {
		t.Fatal(c, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.acquire(ctx, key, idly); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	k.finish(key, nil)
	if c, err := k.acquire(t.Context(), key, idly); c != nil || err != nil {
		t.Error("a maker that failed leaves something: ", fmt.Sprint(c, err))
	}
	k.finish(key, nil)
}

// idly waits as who has no turn to give up.
func idly(wait func()) error { wait(); return nil }
