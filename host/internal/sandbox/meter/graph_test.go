package meter

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"idlehost/host/internal/sandbox/gate"
	"idlehost/host/internal/sandbox/wasmtest"
)

// graph draws a function that never ends: blocks, loops, arms and branches
// around locals, globals, memory, a table and calls, in proportions that are
// drawn too. Of the ways through it some are never taken, since what costs most
// is what a way that is never taken makes the others do.
type graph struct {
	*rand.Rand
	work
	budget int   // statements that may still come
	depth  int   // of open blocks, the endless loop included
	loops  []int // depths of open loops
	taste  [tastes]int
}

// What a graph has a taste for.
const (
	tasteAssign = iota
	tasteRotate
	tasteGlobals
	tasteCall
	tasteIndirect
	tasteLoad
	tasteChase
	tasteStore
	tasteFloat
	tasteBlock
	tasteLoop
	tasteArm
	tasteBranch
	tasteTable
	tasteDivide
	tastes
)

func drawGraph(seed uint64) work {
	g := &graph{Rand: rand.New(rand.NewPCG(seed, 13))}
	sizes := []int{2, 6, 10, 14, 20, 32, 64, 200, 600, 900}
	g.locals = sizes[g.IntN(len(sizes))]
	g.floats = []int{0, 0, 4, 18, 40}[g.IntN(5)]
	g.globals = []int{1, 1, 4, 12, 60, 200}[g.IntN(6)]
	g.pages = []uint32{1, 8, 16, 128}[g.IntN(4)]
	g.entries = []int{1, 64, 2000}[g.IntN(3)]
	g.fill = cycle(64, 0)
	for i := range g.entries {
		g.funcs = append(g.funcs, wasmtest.Func{Body: wasmtest.Code(wasmtest.Const64(int64(i)), wasmtest.GlobalSet(0))})
	}
	for i := range g.taste {
		g.taste[i] = []int{0, 0, 1, 2, 6}[g.IntN(5)]
	}
	g.taste[tasteBlock+g.IntN(3)] += 2
	g.budget = []int{5, 20, 60, 200}[g.IntN(4)]
	g.depth, g.loops = 1, []int{1}
	g.body = append(distinct(12, g.locals), endless(g.statements())...)
	return g.work
}

func (g *graph) local() int { return 12 + g.IntN(g.locals) }
func (g *graph) float() int { return 12 + g.locals + g.IntN(g.floats) }

// some draws n, or fewer; now and then far fewer.
func (g *graph) some(n int) int {
	if g.IntN(2) == 0 {
		n = min(n, 4)
	}
	return 1 + g.IntN(n)
}

func (g *graph) statements() (c []byte) {
	for range 1 + g.IntN(6) {
		if g.budget <= 0 || len(c) > 100_000 {
			break
		}
		c = append(c, g.statement()...)
	}
	return c
}

func (g *graph) statement() []byte {
	g.budget--
	all := 0
	for _, n := range g.taste {
		all += n
	}
	at := g.IntN(max(all, 1))
	for kind, n := range g.taste {
		if at -= n; at < 0 {
			return g.of(kind)
		}
	}
	return nil
}

func (g *graph) of(kind int) []byte {
	switch kind {
	case tasteRotate:
		n := g.some(g.locals)
		return rotate(12+g.IntN(g.locals-n+1), n)
	case tasteGlobals:
		if g.IntN(2) == 0 {
			n := g.some(g.globals)
			return slices.Concat(sum(global, 1, n), sum(global, 1, n))
		}
		return slices.Concat(get(g.local()), wasmtest.GlobalSet(uint32(g.IntN(1+g.globals))))
	case tasteCall:
		return bytes.Repeat(wasmtest.Call(uint32(1+g.IntN(g.entries))), 1+g.IntN(3))
	case tasteIndirect:
		return slices.Concat(g.random(), wasmtest.Const32(int32(g.entries)), []byte{0x70, 0x11, 0, 0})
	case tasteDivide:
		l := g.local()
		return slices.Concat(get(g.local()), get(l), wasmtest.Const64(3), []byte{0x84, 0x80 + byte(g.IntN(2))*2}, setLocal(l))
	case tasteLoad, tasteChase, tasteStore:
		return g.access(kind)
	case tasteFloat:
		if g.floats > 0 {
			f := g.float()
			return slices.Concat(get(g.float()), get(g.float()), []byte{[]byte{0xa0, 0xa2, 0xa4, 0xa5, 0xa6}[g.IntN(5)]}, setLocal(f))
		}
	case tasteBlock, tasteLoop, tasteArm:
		return g.construct(kind)
	case tasteBranch:
		return slices.Concat(g.condition(), brIf(g.target()))
	case tasteTable:
		return g.table()
	}
	return slices.Concat(get(g.local()), get(g.local()), []byte{[]byte{0x7c, 0x7e, 0x85, 0x89}[g.IntN(4)]}, setLocal(g.local()))
}

// random leaves an i32 that no processor foresees.
func (g *graph) random() []byte {
	return slices.Concat(random(9), wasmtest.Const32(10), []byte{0x76})
}

// condition leaves an i32 that is never, always, or now and then zero.
func (g *graph) condition() []byte {
	switch g.IntN(4) {
	case 0:
		return slices.Concat(g.random(), wasmtest.Const32(1), []byte{0x71})
	case 1:
		return slices.Concat(never, []byte{0x45})
	}
	return never
}

func (g *graph) address() []byte {
	return slices.Concat(g.random(), wasmtest.Const32(int32(g.pages<<16-128)), []byte{0x71})
}

func (g *graph) access(kind int) []byte {
	offset := uleb(g.IntN(2) * 60)
	switch {
	case kind == tasteChase: // 8 and 11 are apart from the rest: 11 goes along the chain
		return slices.Concat(get(11), bytes.Repeat([]byte{0x28, 2, 0}, g.some(20)), setLocal(11))
	case kind == tasteStore && g.IntN(2) == 0: // not where it breaks the chain
		return slices.Concat(g.address(), wasmtest.Const32(-64), []byte{0x71}, get(g.local()), []byte{0x3c, 0, 8})
	case kind == tasteStore:
		return slices.Concat(g.address(), wasmtest.Const32(-64), []byte{0x71}, get(g.local()), []byte{0x37, 0, 16})
	}
	return slices.Concat(g.address(), []byte{0x29, 0}, offset, get(g.local()), wasmtest.Add64(), setLocal(g.local()))
}

func (g *graph) inside(c func() []byte) []byte {
	g.depth++
	defer func() { g.depth-- }()
	return c()
}

func (g *graph) construct(kind int) []byte {
	if g.depth > 12 {
		return nil
	}
	switch kind {
	case tasteBlock:
		return block(g.inside(g.statements))
	case tasteLoop:
		g.loops = append(g.loops, g.depth+1)
		defer func() { g.loops = g.loops[:len(g.loops)-1] }()
		return loop(g.inside(g.statements))
	}
	condition := g.condition()
	arm := g.inside(g.statements)
	if g.IntN(2) == 0 {
		return slices.Concat(condition, []byte{4, 0x40}, arm, []byte{5}, g.inside(g.statements), []byte{0x0b})
	}
	return slices.Concat(condition, ifThen(arm))
}

// target is a label: of any block around, the endless loop's included.
func (g *graph) target() int { return g.IntN(g.depth) }

func (g *graph) table() []byte {
	n := 1 + g.IntN(8)
	labels := uleb(n)
	for range n {
		labels = append(labels, uleb(1+g.IntN(g.depth))...)
	}
	labels = append(labels, 0)
	return block(g.random(), wasmtest.Const32(7), []byte{0x71, 0x0e}, labels)
}

var (
	graphSeed  = flag.Uint64("graph.seed", 0, "first seed of TestPricesOfGraphs; 0: drawn")
	graphCount = flag.Int("graph.count", 0, "how many graphs TestPricesOfGraphs draws; 0: 40, or as many as a minute takes with IDLEHOST_LONG=1")
)

// TestPricesOfGraphs: no graph of those that the gate lets in makes a unit of
// fuel last longer than 5 ns.
func TestPricesOfGraphs(t *testing.T) {
	if raced {
		t.Skip("measures time")
	}
	seed := *graphSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	n, end := *graphCount, time.Time{}
	if n == 0 {
		n = 40
		if os.Getenv("IDLEHOST_LONG") == "1" {
			n, end = 1<<30, time.Now().Add(time.Minute)
		}
	}
	t.Logf("repeat with -args -graph.seed=%d -graph.count=%d", seed, n)
	var worst float64
	for i := range uint64(n) {
		if !end.IsZero() && time.Now().After(end) {
			break
		}
		w := drawGraph(seed + i)
		if _, err := gate.Check(w.module(), gate.Limits{}, gate.Contract{AnyImport: true}); err != nil {
			t.Logf("seed %d: %v", seed+i, err)
			continue
		}
		price := prices(t, map[string]work{"": w}, mostPrice)[""][""]
		if price > worst {
			worst = price
			t.Logf("seed %d: %.2f ns a unit", seed+i, price)
		}
		if price > mostPrice {
			t.Errorf("seed %d: %.2f ns a unit, want at most %v", seed+i, price, mostPrice)
		}
	}
}
