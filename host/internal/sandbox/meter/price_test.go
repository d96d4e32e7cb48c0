package meter

import (
	"bytes"
	"encoding/binary"
	"github.com/tetratelabs/wazero/experimental"
	"slices"

	"idlehost/host/internal/sandbox/wasmtest"
)

// heap is a memory that doubles, as the engine's does where it cannot map any:
// the dearer way to grow.
type heap struct{ bytes []byte }

func (h *heap) Allocate(_, _ uint64) experimental.LinearMemory { return h }
func (h *heap) Free()                                          { h.bytes = nil }

func (h *heap) Reallocate(size uint64) []byte {
	if size > 128<<16 {
		return nil
	}
	if size > uint64(cap(h.bytes)) {
		grown := make([]byte, size, min(max(size, 2*uint64(cap(h.bytes))), 128<<16))
		copy(grown, h.bytes)
		h.bytes = grown
	}
	h.bytes = h.bytes[:size]
	return h.bytes
}

// work is what a class of instructions does, over and over: run is repeated
// until the fuel is gone.
type work struct {
	pages, most uint32 // of memory; most: its maximum, 0: none is declared
	body        []byte
	funcs       []wasmtest.Func // 1 and on
	locals      int             // more of i64, from 12 on
	floats      int             // more of f64, behind them
	singles     int             // of f32, behind those
	globals     int             // more of i64, from 1 on
	entries     int             // of the table; 0: 100
	pointer     bool            // global 0 is of i32
	fill        func(mem []byte)
	cases       map[string]func(mem []byte) // what else to fill memory with, each on its own
}

// again repeats code n times in an endless loop, so that neither the branch
// nor the charge shows.
func again(n int, code ...[]byte) []byte {
	return wasmtest.Code([]byte{3, 0x40}, bytes.Repeat(slices.Concat(code...), n), []byte{0x0c, 0, 0x0b})
}

func set(local byte, code ...[]byte) []byte {
	return wasmtest.Code(slices.Concat(code...), []byte{0x21, local})
}

// classes are bodies with four i64 locals 0 to 3, four f64 locals 4 to 7, and
// four i32 locals 8 to 11. Each works on what it made before, so that nothing
// is left out and nothing overlaps.
func classes() map[string]work {
	get := wasmtest.LocalGet
	c32, c64 := wasmtest.Const32, wasmtest.Const64
	f64 := func(v uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0x44}, v) }
	one, most := f64(0x3ff0000000000001), f64(0x43e0000000000000)
	misc := func(op byte, more ...byte) []byte { return append([]byte{0xfc, op}, more...) }
	float := func(op byte) work { return work{body: again(200, set(4, get(4), one, []byte{op}))} }
	root := func(op byte) work {
		return work{body: again(200, set(4, get(4), one, []byte{0xa0, op}))}
	}
	divide := func(op byte) work {
		return work{body: again(200, set(0, c64(-5), get(0), c64(3), []byte{0x84}, []byte{op}))}
	}
	divide32 := func(op byte) work {
		return work{body: again(200, set(8, c32(-5), get(8), c32(3), []byte{0x72}, []byte{op}))}
	}
	bulk := func(size int32, op ...byte) work {
		from := c32(7)
		if op[1] == 10 {
			from = c32(1<<20 + 1)
		} else if op[1] == 8 {
			from = c32(0)
		}
		return work{pages: 64, body: again(20, c32(1), from, c32(size), op)}
	}
	nothing := wasmtest.Func{}
	wide := wasmtest.Func{Params: bytes.Repeat([]byte{wasmtest.I64}, 128)}
	many := wasmtest.Func{Results: bytes.Repeat([]byte{wasmtest.I64}, 16), Body: bytes.Repeat(c64(3), 16)}
	touch := wasmtest.Code([]byte{0x41, 0, 0x21, 8, 3, 0x40}, get(8), c32(1), []byte{0x36, 2, 0}, set(8, get(8), c32(4096), []byte{0x6a}),
		get(8), []byte{0x3f, 0}, c32(16), []byte{0x74, 0x49, 0x0d, 0, 0x0b})
	jump := func(n int) work {
		labels := binary.AppendUvarint(nil, uint64(n))
		for i := range n + 1 {
			labels = binary.AppendUvarint(labels, uint64(i%200))
		}
		body := wasmtest.Code(bytes.Repeat([]byte{2, 0x40}, 200), set(8, get(8), c32(1103515245), []byte{0x6c}, c32(12345), []byte{0x6a}),
			get(8), c32(8), []byte{0x76}, c32(int32(n-1)), []byte{0x71, 0x0e}, labels, bytes.Repeat([]byte{0x0b}, 200))
		return work{body: again(1, body)}
	}
	random := wasmtest.Code(set(8, get(8), c32(1103515245), []byte{0x6c}, c32(12345), []byte{0x6a}))
	return map[string]work{
		"add":           {body: again(200, set(0, get(0), c64(3), []byte{0x7c}))},
		"multiply":      {body: again(200, set(0, get(0), c64(3), []byte{0x7e}))},
		"rotate, count": {body: again(200, set(0, get(0), get(1), []byte{0x89}, []byte{0x7b}))},
		"i64.div_s":     divide(0x7f), "i64.div_u": divide(0x80), "i64.rem_s": divide(0x81), "i64.rem_u": divide(0x82),
		"i32.div_s": divide32(0x6d), "i32.div_u": divide32(0x6e), "i32.rem_s": divide32(0x6f), "i32.rem_u": divide32(0x70),
		"f64.add": float(0xa0), "f64.mul": float(0xa2), "f64.div": float(0xa3), "f64.min": float(0xa4), "f64.copysign": float(0xa6),
		"f64.sqrt": root(0x9f), "f64.floor": root(0x9c), "f64.nearest": root(0x9e), "f64.abs": root(0x99), "f64.neg": root(0x9a),
		"f64.sub of denormals": {body: again(200, set(4, get(4), f64(3), []byte{0xa0}, f64(0x3fe0000000000000), []byte{0xa2}))},
		"trunc_sat":            {body: again(200, set(0, set(4, most), get(0), []byte{0xb9}, misc(7)))},
		"trunc":                {body: again(200, set(8, get(8), []byte{0xb7}, []byte{0xaa}))},
		"convert unsigned":     {body: again(200, set(0, get(0), []byte{0xba}, []byte{0xbd}))},
		"compare":              {body: again(200, set(8, get(4), one, []byte{0x63}, get(8), []byte{0x6a}))},
		"select":               {body: again(200, set(0, get(1), get(0), get(8), []byte{0x1b}))},
		"load":                 {pages: 64, body: again(200, set(8, get(8), []byte{0x28, 2, 0}))},
		"load at random":       {pages: 64, body: again(200, random, get(8), c32(10), []byte{0x76, 0x28, 2, 0}, get(9), []byte{0x6a, 0x21, 9})},
		"chase at random":      {pages: 64, body: again(200, set(8, get(8), c32(1103515245), []byte{0x6c}, c32(12345), []byte{0x6a}, get(8), c32(10), []byte{0x76, 0x28, 2, 0, 0x6a}))},
		"store at random":      {pages: 64, body: again(200, random, get(8), c32(10), []byte{0x76}, get(8), []byte{0x36, 2, 0})},
		"global":               {body: again(200, wasmtest.GlobalGet(0), c64(1), wasmtest.Add64(), wasmtest.GlobalSet(0))},
		"global around calls":  {body: again(200, wasmtest.GlobalGet(0), c64(1), wasmtest.Add64(), wasmtest.GlobalSet(0), wasmtest.Call(1)), funcs: []wasmtest.Func{nothing}},
		"call":                 {body: again(200, wasmtest.Call(1)), funcs: []wasmtest.Func{nothing}},
		"call of a caller":     {body: again(200, wasmtest.Call(1)), funcs: []wasmtest.Func{{Body: wasmtest.Call(2)}, nothing}},
		"call, 128 parameters": {body: again(20, bytes.Repeat(get(0), 128), wasmtest.Call(1)), funcs: []wasmtest.Func{wide}},
		"call, 16 results":     {body: again(100, wasmtest.Call(1), bytes.Repeat(wasmtest.Drop(), 16)), funcs: []wasmtest.Func{many}},
		"call_indirect":        {body: again(200, c32(0), []byte{0x11, 0, 0}), funcs: []wasmtest.Func{nothing}},
		"br_table of 16":       jump(16), "br_table of 1024": jump(1024), "br_table of 16384": jump(16384),
		"memory.fill, large": bulk(1<<20, misc(11, 0)...), "memory.copy, large": bulk(1<<20, misc(10, 0, 0)...),
		"memory.fill, page": bulk(4096, misc(11, 0)...), "memory.copy, page": bulk(4096, misc(10, 0, 0)...),
		"memory.fill, 9": bulk(9, misc(11, 0)...), "memory.copy, 9": bulk(9, misc(10, 0, 0)...),
		"memory.fill, 127": bulk(127, misc(11, 0)...), "memory.copy, 127": bulk(127, misc(10, 0, 0)...),
		"memory.fill, nothing": bulk(0, misc(11, 0)...), "memory.copy, nothing": bulk(0, misc(10, 0, 0)...),
		"memory.fill, fresh": {pages: 128, body: wasmtest.Code(c32(0), c32(7), c32(128<<16), misc(11, 0), wasmtest.Forever())},
		"memory.init, large": bulk(1<<16, misc(8, 0, 0)...), "memory.init, 9": bulk(9, misc(8, 0, 0)...),
		"memory.size":           {body: again(200, set(8, []byte{0x3f, 0}, get(8), []byte{0x6a}))},
		"memory.grow":           {pages: 1, body: again(20, wasmtest.Grow(1), wasmtest.Drop())},
		"memory.grow by none":   {pages: 1, body: again(20, wasmtest.Grow(0), wasmtest.Drop())},
		"memory.grow, refused":  {pages: 1, body: again(20, wasmtest.Grow(1000), wasmtest.Drop())},
		"memory.grow, touch":    {pages: 1, body: again(1, wasmtest.Grow(1), wasmtest.Drop(), touch)},
		"memory.grow, at once":  {pages: 1, body: wasmtest.Code(wasmtest.Grow(127), wasmtest.Drop(), touch, wasmtest.Forever())},
		"table.get, table.set":  {body: again(200, c32(1), c32(2), []byte{0x25, 0, 0x26, 0})},
		"ref.func":              {body: again(200, c32(1), []byte{0xd2, 0, 0x26, 0})},
		"table.grow":            {body: again(20, []byte{0xd0, 0x70}, c32(1), misc(15, 0), wasmtest.Drop())},
		"table.grow by none":    {body: again(20, []byte{0xd0, 0x70}, c32(0), misc(15, 0), wasmtest.Drop())},
		"table.grow, at once":   {body: again(1, []byte{0xd0, 0x70}, c32(8000), misc(15, 0), wasmtest.Drop())},
		"table.fill":            {body: again(20, c32(0), []byte{0xd0, 0x70}, c32(100), misc(17, 0))},
		"table.copy":            {body: again(20, c32(0), c32(50), c32(50), misc(14, 0, 0))},
		"table.init":            {body: again(20, c32(0), c32(0), c32(1), misc(12, 1, 0))},
		"table.fill, nothing":   {body: again(20, c32(0), []byte{0xd0, 0x70}, c32(0), misc(17, 0))},
		"table.copy, nothing":   {body: again(20, c32(0), c32(50), c32(0), misc(14, 0, 0))},
		"table.init, nothing":   {body: again(20, c32(0), c32(0), c32(0), misc(12, 1, 0))},
		"recursion":             {body: wasmtest.Call(0)},
		"recursion, 8000 loads": {pages: 1, body: largeFrames(8000).Funcs[0].Body, funcs: []wasmtest.Func{nothing}},
	}
}

// module gives the work what it needs: a memory, a table with function 0 in
// it, a global, a data segment.
func (w work) module() []byte {
	var types, funcs, code []byte
	uleb := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	vec := func(b []byte) []byte { return slices.Concat(uleb(len(b)), b) }
	part := func(id byte, content ...[]byte) []byte {
		return slices.Concat([]byte{id}, vec(slices.Concat(content...)))
	}
	all := append([]wasmtest.Func{{Body: w.body}}, w.funcs...)
	kinds := map[string]int{} // of functions: their types
	for i, f := range all {
		kind := slices.Concat([]byte{0x60}, vec(f.Params), vec(f.Results))
		if _, ok := kinds[string(kind)]; !ok {
			kinds[string(kind)] = len(kinds)
			types = append(types, kind...)
		}
		funcs = append(funcs, uleb(kinds[string(kind)])...)
		locals := slices.Concat([]byte{1}, uleb(int(f.Locals)), []byte{wasmtest.I64})
		if i == 0 {
			locals = slices.Concat([]byte{6, 4, 0x7e, 4, 0x7c, 4, 0x7f}, uleb(w.locals), []byte{0x7e}, uleb(w.floats), []byte{0x7c}, uleb(w.singles), []byte{0x7d})
		}
		code = append(code, vec(slices.Concat(locals, f.Body, []byte{0x0b}))...)
	}
	n, last := uleb(len(all)), uleb(len(all)-1)
	memory := slices.Concat([]byte{1, 0}, uleb(int(w.pages)))
	if w.most > 0 {
		memory = slices.Concat([]byte{1, 1}, uleb(int(w.pages)), uleb(int(w.most)))
	}
	entries := max(w.entries, 100)
	first := []byte{0x7e, 1, 0x42, 0, 0x0b}
	if w.pointer {
		first = []byte{0x7f, 1, 0x41, 0, 0x0b}
	}
	elements := slices.Concat(uleb(1), last)
	if w.entries > 0 { // function i modulo their number is entry i
		elements = uleb(entries)
		for i := range entries {
			elements = append(elements, uleb(1+i%(len(all)-1))...)
		}
	}
	return raw(part(1, uleb(len(kinds)), types), part(3, n, funcs), part(4, []byte{1, 0x70, 0}, uleb(entries)), part(5, memory),
		part(6, uleb(1+w.globals), first, bytes.Repeat([]byte{0x7e, 1, 0x42, 0, 0x0b}, w.globals)), part(7, []byte{1, 3, 'r', 'u', 'n', 0, 0}),
		part(9, []byte{2, 0, 0x41, 0, 0x0b}, elements, []byte{1, 0, 1, 0}), part(12, []byte{1}), part(10, n, code),
		part(11, []byte{1, 1}, vec(make([]byte, 1<<16))))
}
