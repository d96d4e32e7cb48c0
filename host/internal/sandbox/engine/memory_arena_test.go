package engine

import (
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// needFields skips where guests live in Go's heap.
func needFields(t *testing.T) *memoryPool {
	t.Helper()
	if mapArena(pageBytes) == nil {
		t.Skip("no memory outside of Go's heap")
	}
	f := newMemoryPool()
	t.Cleanup(f.close)
	return f
}

func count(f *memoryPool) (open, free int) {
	for size, list := range f.open {
		open += len(list)
		for _, x := range list {
			free += len(x.mem)/size - x.used
		}
	}
	return open, free
}

func TestSlotsAreLargeEnoughAndApart(t *testing.T) {
	f := needFields(t)
	seen := map[*byte]bool{}
	for _, size := range []uint64{0, 1, pageBytes, pageBytes + 1, 3 * pageBytes, 128 * pageBytes, arenaBytes, arenaBytes + 1} {
		for range 5 {
			p := f.take(size)
			b := p.bytes()
			if uint64(cap(b)) < size || cap(b) < pageBytes || len(b) != 0 {
				t.Fatalf("a plot of %d bytes has %d of %d", size, len(b), cap(b))
			}
			at := unsafe.SliceData(b)
			if seen[at] {
				t.Errorf("a plot was taken twice")
			}
			seen[at] = true
			b = b[:cap(b)]
			b[0], b[len(b)-1] = 1, 1
			defer p.release()
		}
	}
}

// TestSlotsAreClean, whatever the last guest has left in them.
func TestSlotsAreClean(t *testing.T) {
	f := needFields(t)
	p := f.take(pageBytes)
	at := unsafe.SliceData(p.bytes())
	for range 3 {
		b := p.bytes()[:pageBytes]
		for i, v := range b {
			if v != 0 {
				t.Fatalf("byte %d is %d", i, v)
			}
			b[i] = 0xff
		}
		p.release()
		p = f.take(pageBytes)
		if unsafe.SliceData(p.bytes()) != at {
			t.Error("is not the same plot: the test shows nothing")
		}
	}
	p.release()
	memorySlot{}.release()
}

// TestEmptyArenasAreGivenBack, but for one.
func TestEmptyArenasAreGivenBack(t *testing.T) {
	f := needFields(t)
	const per = arenaBytes / (16 << 20)
	before, _ := mappings()
	plots := make([]memorySlot, 10*per)
	for i := range plots {
		plots[i] = f.take(16 << 20)
	}
	if open, free := count(f); open != 0 || free != 0 {
		t.Errorf("%d fields are open, %d plots free", open, free)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(plots), func(i, j int) { plots[i], plots[j] = plots[j], plots[i] })
	for _, p := range plots {
		p.release()
	}
	if open, free := count(f); open != 1 || free != per {
		t.Errorf("%d fields are open, %d plots free", open, free)
	}
	if after, _ := mappings(); after > before+3 {
		t.Errorf("mappings went from %d to %d", before, after)
	}
}

// TestHammerMemoryPool: nobody finds another's bytes.
func TestHammerMemoryPool(t *testing.T) {
	f := needFields(t)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(g)))
			var mine []memorySlot
			for range 2000 {
				if len(mine) < 20 && rng.IntN(2) == 0 {
					p := f.take(pageBytes << rng.IntN(8))
					b := p.bytes()[:pageBytes]
					if b[0] != 0 || b[pageBytes-1] != 0 {
						t.Error("is not clean")
					}
					b[0], b[pageBytes-1] = byte(g+1), byte(g+1)
					mine = append(mine, p)
				} else if n := len(mine); n > 0 {
					i := rng.IntN(n)
					if b := mine[i].bytes()[:pageBytes]; b[0] != byte(g+1) || b[pageBytes-1] != byte(g+1) {
						t.Error("is another's")
					}
					mine[i].release()
					mine[i] = mine[n-1]
					mine = mine[:n-1]
				}
			}
			for _, p := range mine {
				p.release()
			}
		})
	}
	wg.Wait()
	for size, list := range f.open {
		if len(list) > 1 || len(list) == 1 && list[0].used != 0 {
			t.Errorf("of plots of %d bytes, %d fields are open", size, len(list))
		}
	}
}

// TestLinearMemory grows as far as it may and no further: without moving where
// it has a slot, and in the heap where there is none.
func TestLinearMemory(t *testing.T) {
	full := newMemoryPool()
	full.mapping = func(int) []byte { return nil }
	for _, f := range []*memoryPool{needFields(t), full} {
		for _, reserve := range []uint64{pageBytes, 8 * pageBytes} {
			l := linearMemory{pool: f, limit: 5 * pageBytes, reserve: reserve}
			b := l.Reallocate(pageBytes)
			b[7] = 9
			first := unsafe.SliceData(b)
			for n := uint64(2); n <= 5; n++ {
				if b = l.Reallocate(n * pageBytes); uint64(len(b)) != n*pageBytes || b[7] != 9 || b[len(b)-1] != 0 {
					t.Fatalf("of %d pages there are %d bytes", n, len(b))
				}
			}
			if moved := unsafe.SliceData(b) != first; moved != (f == full || reserve == pageBytes) {
				t.Errorf("reserve of %d: moved is %t", reserve, moved)
			}
			if l.Reallocate(5*pageBytes+1) != nil || !l.refused {
				t.Error("more than the limit")
			}
			l.Free()
			l.Free()
		}
	}
}

// TestMemoryIsReserved as far as a guest can grow: a page where it cannot, all
// that it may have where it can, and then it stays where it is.
func TestMemoryIsReserved(t *testing.T) {
	needFields(t)
	e := newEngine(t, Config{MemoryPages: 64})
	still := load(t, e, source(wasmtest.Guest().Bytes()))
	if n := cap(still.inst.linear.slot.bytes()); n != pageBytes {
		t.Errorf("%d bytes are set aside for one page", n)
	}
	src := source(wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Grow(1), wasmtest.Drop(), wasmtest.Const64(wasmtest.Extend60s))).Bytes())
	src.MemoryPages = 16
	p := load(t, e, src)
	l := &p.inst.linear
	before := unsafe.SliceData(l.bytes)
	for range 20 {
		_, fault := p.Decide(at(abi.KindTimeout, 0))
		wantFault(t, "grow", fault, policy.FaultNone)
	}
	if len(l.bytes) != 16*pageBytes || cap(l.bytes) != 16*pageBytes || unsafe.SliceData(l.bytes) != before {
		t.Errorf("%d bytes of %d, moved: %t", len(l.bytes), cap(l.bytes), unsafe.SliceData(l.bytes) != before)
	}
}

// TestWithoutMappings guests live in Go's heap.
func TestWithoutMappings(t *testing.T) {
	e := newEngine(t, Config{})
	e.memoryPool.mapping = func(int) []byte { return nil }
	p := load(t, e, source(wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Grow(1), wasmtest.Drop(), wasmtest.Const64(wasmtest.Extend60s))).Bytes()))
	for range 5 {
		_, fault := p.Decide(at(abi.KindTimeout, 0))
		wantFault(t, "grow", fault, policy.FaultNone)
	}
	if got := p.Stats().MemoryBytes; got != 6*pageBytes || len(e.memoryPool.open) != 0 {
		t.Errorf("memory of %d bytes, %d classes of fields", got, len(e.memoryPool.open))
	}
	shut(t, p)
}

// TestFailedInstancesGiveTheirMemoryBack, also where wazero does not.
func TestFailedInstancesGiveTheirMemoryBack(t *testing.T) {
	needFields(t)
	e := newEngine(t, Config{})
	for _, m := range []wasmtest.Module{
		withData(wasmtest.Guest(), wasmtest.Data{Offset: 65535, Bytes: []byte("xy")}), // fails in instantiation
		wasmtest.Guest(wasmtest.Func{Export: "_initialize", Body: wasmtest.Unreachable()}),
	} {
		if _, err := e.Load(t.Context(), source(m.Bytes())); err == nil {
			t.Fatal("loaded")
		}
		if open, free := count(e.memoryPool); open != 1 || free != arenaBytes/pageBytes {
			t.Errorf("%d fields, %d plots free", open, free)
		}
	}
}
