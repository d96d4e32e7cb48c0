package meter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"idlehost/host/internal/sandbox/wasmtest"
)

// never pushes an i32 local that stays zero, which neither wazero nor the meter
// know.
var never = wasmtest.LocalGet(8)

func uleb(n int) []byte         { return binary.AppendUvarint(nil, uint64(n)) }
func get(i int) []byte          { return wasmtest.LocalGet(uint32(i)) }
func setLocal(i int) []byte     { return append([]byte{0x21}, uleb(i)...) }
func br(n int) []byte           { return append([]byte{0x0c}, uleb(n)...) }
func brIf(n int) []byte         { return append([]byte{0x0d}, uleb(n)...) }
func ifThen(c ...[]byte) []byte { return wasmtest.If(slices.Concat(c...)) }

func block(c ...[]byte) []byte {
	return slices.Concat([]byte{2, 0x40}, slices.Concat(c...), []byte{0x0b})
}

func loop(c ...[]byte) []byte {
	return slices.Concat([]byte{3, 0x40}, slices.Concat(c...), []byte{0x0b})
}

func endless(c ...[]byte) []byte { return loop(slices.Concat(c...), br(0)) }

// rotate gives n locals, from one on, each the value of the next.
func rotate(from, n int) (c []byte) {
	for i := range n {
		c = append(c, get(from+(i+1)%n)...)
	}
	for i := n - 1; i >= 0; i-- {
		c = append(c, setLocal(from+i)...)
	}
	return c
}

// distinct gives n locals values of their own, which are no constants.
func distinct(from, n int) (c []byte) {
	for i := range n {
		c = slices.Concat(c, wasmtest.Const64(int64(i)), get(0), wasmtest.Add64(), setLocal(from+i))
	}
	return c
}

// sum adds up n variables that get pushes, and leaves the sum in local 0.
func sum(get func(i int) []byte, from, n int) (c []byte) {
	c = get(from)
	for i := 1; i < n; i++ {
		c = slices.Concat(c, get(from+i), wasmtest.Add64())
	}
	return append(c, setLocal(0)...)
}

func global(i int) []byte { return wasmtest.GlobalGet(uint32(i)) }

// random changes an i32 local, and pushes it.
func random(local int) []byte {
	return slices.Concat(get(local), wasmtest.Const32(1103515245), []byte{0x6c}, wasmtest.Const32(12345), []byte{0x6a, 0x22}, uleb(local))
}

// within turns a random i32 into an address below size, a power of two, that
// is a multiple of step.
func within(size, step int32) []byte {
	return slices.Concat(wasmtest.Const32(4), []byte{0x76}, wasmtest.Const32(size-step), []byte{0x71})
}

// cycle fills memory with a chain of addresses in random order: one in every
// step bytes, at an offset, and once more in the middle.
func cycle(step, offset int) func(mem []byte) {
	return func(mem []byte) {
		order := rand.New(rand.NewPCG(1, 2)).Perm(len(mem)/step - 1)
		for i, at := range order {
			next := uint32(order[(i+1)%len(order)] * step)
			binary.LittleEndian.PutUint32(mem[at*step+offset:], next)
			if offset == 0 {
				binary.LittleEndian.PutUint32(mem[at*step+step/2:], next)
			}
		}
	}
}

// noise fills memory with zeros and ones.
func noise(mem []byte) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range mem {
		mem[i] = byte(r.Uint32() >> 7 & 1)
	}
}

// shapes are attacks on the prices: what costs a processor the most for the
// least fuel, each by the way that it goes.
func shapes() map[string]work {
	all := map[string]work{}
	for _, more := range []map[string]work{carriedShapes(), reloadShapes(), chainShapes(), scatteredShapes(), pointerShapes(), farShapes(), entryShapes(), stackShapes(), predictionShapes(), floatShapes()} {
		maps.Copy(all, more)
	}
	return all
}

// carriedShapes carry locals to where branches meet, by ways never taken.
func carriedShapes() map[string]work {
	all := map[string]work{}
	for _, n := range []int{4, 8, 16, 24, 40, 100, 400, 1000} {
		add := func(name string, code ...[]byte) {
			all[fmt.Sprintf("%s, %d locals", name, n)] = work{locals: n, body: wasmtest.Code(distinct(12, n), slices.Concat(code...))}
		}
		turn := rotate(12, n)
		add("if", endless(never, ifThen(turn)))
		add("ifs", endless(bytes.Repeat(slices.Concat(never, ifThen(turn)), max(1, min(20, 10_000/n)))))
		add("if and else", endless(never, []byte{4, 0x40}, turn, []byte{5}, get(12), setLocal(13), []byte{0x0b}))
		add("br", endless(block(block(never, brIf(0), br(1)), turn)))
		add("br_if", endless(block(bytes.Repeat(slices.Concat(never, brIf(0)), 20), never, ifThen(turn))))
		add("br_table", endless(block(block(never, []byte{0x0e, 3, 1, 0, 1, 1}), turn)))
		add("back edge", loop(never, ifThen(turn, br(1)), br(0)))
		add("inner loop", endless(loop(never, brIf(1), never, ifThen(turn)), never, ifThen(turn)))
		add("blocks that end together", endless(block(block(block(never, brIf(2), never, brIf(1), never, brIf(0), turn), turn), turn)))
	}
	for _, n := range []int{4, 24, 400} {
		all[fmt.Sprintf("if, %d floats", n)] = work{floats: n, body: endless(never, ifThen(rotate(12, n)))}
	}
	return all
}

// reloadShapes load globals and what memory is after calls, and keep locals
// over them.
func reloadShapes() map[string]work {
	all := map[string]work{}
	nothing := []wasmtest.Func{{}}
	for _, n := range []int{4, 10, 20, 100, 1000} {
		used := slices.Concat(sum(global, 1, n), sum(global, 1, n))
		all[fmt.Sprintf("call, %d globals", n)] = work{globals: n, funcs: nothing, body: endless(wasmtest.Call(1), never, ifThen(used))}
		all[fmt.Sprintf("calls, %d globals", n)] = work{globals: n, funcs: nothing, body: endless(bytes.Repeat(wasmtest.Call(1), 20), never, ifThen(used))}
		all[fmt.Sprintf("call_indirect, %d globals", n)] = work{globals: n, funcs: nothing, body: endless(wasmtest.Const32(0), []byte{0x11, 0, 0}, never, ifThen(used))}
		all[fmt.Sprintf("memory.grow, %d globals", n)] = work{pages: 1, globals: n, body: endless(wasmtest.Grow(0), wasmtest.Drop(), never, ifThen(used))}
		all[fmt.Sprintf("call, %d locals", n)] = work{locals: n, funcs: nothing, body: wasmtest.Code(distinct(12, n), endless(wasmtest.Call(1), never, ifThen(sum(get, 12, n))))}
		all[fmt.Sprintf("call and use, %d locals", n)] = work{locals: n, funcs: nothing, body: wasmtest.Code(distinct(12, n), endless(wasmtest.Call(1), sum(get, 12, n)))}
	}
	load := slices.Concat(get(9), []byte{0x28, 2, 0}, setLocal(10))
	all["call, and memory"] = work{pages: 1, funcs: nothing, body: endless(bytes.Repeat(slices.Concat(wasmtest.Call(1), load), 20))}
	return all
}

// chainShapes have every load wait for the last.
func chainShapes() map[string]work {
	all := map[string]work{}
	for _, pages := range []int{1, 4, 8, 12, 16, 20, 32, 64, 128} {
		add := func(name string, fill func([]byte), loads ...byte) {
			all[fmt.Sprintf("%s, %d pages", name, pages)] = work{pages: uint32(pages), fill: fill, body: endless(get(8), bytes.Repeat(loads, 200), setLocal(8))}
		}
		add("chain", cycle(64, 0), 0x28, 2, 0)
		add("chain of unlike loads", cycle(64, 0), 0x28, 0, 32, 0x28, 0, 0, 0x35, 0, 0, 0xa7)
		add("chain of split loads", cycle(128, 62), 0x28, 0, 62)
		add("chain over pages of a processor", cycle(4096, 4094-4096+2048), 0x28, 0, 0xfe, 0x0f) // 2046
		through := slices.Concat([]byte{0x28, 2, 0, 0x21, 10}, get(11), get(10), []byte{0x36, 2, 8}, get(11), []byte{0x28, 2, 8})
		add("chain through memory", cycle(64, 0), through...)
	}
	return all
}

// scatteredShapes access memory and tables where no cache has them.
func scatteredShapes() map[string]work {
	all := map[string]work{}
	for _, pages := range []int32{8, 16, 128} {
		size := pages << 16
		at := slices.Concat(random(9), within(size, 64))
		add := func(name string, code ...[]byte) {
			all[fmt.Sprintf("%s, %d pages", name, pages)] = work{pages: uint32(pages), fill: noise, body: endless(bytes.Repeat(slices.Concat(code...), 20))}
		}
		add("loads", at, []byte{0x29, 3, 0}, get(0), wasmtest.Add64(), setLocal(0))
		add("loads of bytes", at, []byte{0x2d, 0, 7}, get(10), []byte{0x6a}, setLocal(10))
		add("split loads", random(9), within(size/2, 64), []byte{0x29, 0, 60}, get(0), wasmtest.Add64(), setLocal(0))
		add("stores", at, get(0), []byte{0x37, 3, 0})
		add("stores over pages of a processor", random(9), within(size/2, 4096), get(0), []byte{0x37, 0}, uleb(4092))
		add("loads of what was stored in part", at, []byte{0x22, 10}, get(0), []byte{0x3c, 0, 3}, get(10), []byte{0x29, 3, 0}, setLocal(0))
		add("loads behind wrong predictions", random(9), within(size/2, 64), []byte{0x22, 10}, []byte{0x2d, 0, 0},
			ifThen(get(10), []byte{0x2d, 0}, uleb(2048), ifThen(get(10), []byte{0x2d, 0}, uleb(1024), setLocal(11))))
		for _, n := range []int32{1, 8, 9, 64, 127, 4000} {
			add(fmt.Sprintf("fills of %d", n), random(9), within(size/2, 64), wasmtest.Const32(7), wasmtest.Const32(n), []byte{0xfc, 11, 0})
			add(fmt.Sprintf("copies of %d", n), random(9), within(size/2, 64), random(9), within(size/2, 64), wasmtest.Const32(n), []byte{0xfc, 10, 0, 0})
		}
	}
	for _, pages := range []int{8, 16, 128} {
		// An address that is known costs nothing, and in every page it is one of
		// the few lines that have the same place in a cache.
		var aligned, split []byte
		for _, at := range rand.New(rand.NewPCG(1, 2)).Perm(16*pages - 1) {
			aligned = slices.Concat(aligned, get(9), get(0), []byte{0x37, 0}, uleb(at*4096))
			split = slices.Concat(split, get(9), get(0), []byte{0x37, 0}, uleb(at*4096+4092))
		}
		all[fmt.Sprintf("stores to each page of a processor, %d pages", pages)] = work{pages: uint32(pages), fill: noise, body: endless(aligned)}
		all[fmt.Sprintf("split stores to each page of a processor, %d pages", pages)] = work{pages: uint32(pages), fill: noise, body: endless(split)}
	}
	zero := get(11)
	add := func(name string, code ...[]byte) {
		all[name] = work{pages: 1, body: endless(bytes.Repeat(slices.Concat(code...), 50))}
	}
	add("load of what was stored in part", zero, get(0), []byte{0x3c, 0, 3}, zero, []byte{0x29, 3, 0}, setLocal(0))
	add("store over two pages", zero, get(0), []byte{0x37, 0}, uleb(4092))
	add("load over two pages", zero, []byte{0x29, 0}, uleb(4092), get(0), wasmtest.Add64(), setLocal(0))
	add("load of a store over two pages", zero, get(0), []byte{0x37, 0}, uleb(4092), zero, []byte{0x29, 0}, uleb(4093), setLocal(0))
	return all
}

// pointerShapes walk through memory with what looks like a stack pointer.
func pointerShapes() map[string]work {
	const pages = 128
	all := map[string]work{}
	bit := func(offset int) []byte { return slices.Concat(get(8), []byte{0x2d, 0}, uleb(offset)) }
	count := slices.Concat(get(11), []byte{0x6a}, setLocal(11))
	for _, step := range []int32{32, 64, 120, 128, 129, 4096 + 64} {
		for name, code := range map[string][]byte{
			"":               slices.Concat(bit(0), count, bit(200), count),
			", mispredicted": slices.Concat(bit(0), ifThen(wasmtest.Const32(1), count), bit(64), ifThen(wasmtest.Const32(3), count)),
		} {
			turn := slices.Concat(get(8), wasmtest.Const32(step), []byte{0x6a, 0x22, 8, 0x24, 0}, code)
			all[fmt.Sprintf("pointer walks by %d%s", step, name)] = work{pages: pages, fill: noise, pointer: true, body: endless(
				[]byte{0x41, 0, 0x24, 0, 0x23, 0, 0x21, 8},
				loop(bytes.Repeat(turn, 8), get(8), wasmtest.Const32(pages<<16-40_000), []byte{0x49}, brIf(0)))}
		}
	}
	all["pointer is loaded"] = work{pages: pages, fill: cycle(64, 0), pointer: true, body: endless(
		bytes.Repeat([]byte{0x23, 0, 0x28, 2, 0, 0x24, 0}, 50))}
	all["pointer is loaded and copied"] = work{pages: pages, fill: cycle(64, 0), pointer: true, body: endless(
		bytes.Repeat([]byte{0x20, 8, 0x28, 2, 0, 0x24, 0, 0x23, 0, 0x21, 8}, 50))}
	return all
}

// farShapes have more code than the processor has close by.
func farShapes() map[string]work {
	all := map[string]work{}
	for _, c := range []struct{ funcs, blocks, fill int }{{1, 2000, 4}, {3, 2000, 4}, {10, 2000, 4}, {14, 3000, 4}, {20, 1400, 10}, {10, 100, 80}} {
		var fill []byte
		for i := range c.fill {
			fill = slices.Concat(fill, wasmtest.Const64(0x123456789abcdef+int64(i)<<32), wasmtest.GlobalSet(0))
		}
		f := wasmtest.Func{Locals: 1, Body: wasmtest.Code(wasmtest.Const64(1), setLocal(0), bytes.Repeat(block(get(0), []byte{0xa7}, brIf(0), fill), c.blocks))}
		var calls []byte
		for i := range c.funcs {
			calls = append(calls, wasmtest.Call(uint32(1+i))...)
		}
		all[fmt.Sprintf("jumps over %d in each of %d blocks of %d functions", c.fill, c.blocks, c.funcs)] = work{
			funcs: slices.Repeat([]wasmtest.Func{f}, c.funcs), body: endless(calls)}
	}
	for _, n := range []int32{64, 1024, 4096, 16384} {
		w := work{entries: int(n)}
		var calls []byte
		for i := range n {
			w.funcs = append(w.funcs, wasmtest.Func{Body: wasmtest.Code(wasmtest.Const64(int64(i)), wasmtest.GlobalSet(0))})
			calls = append(calls, wasmtest.Call(uint32(1+i*3967%n))...)
		}
		add := func(name string, code ...[]byte) {
			v := w
			v.body = endless(code...)
			all[fmt.Sprintf("%s of %d functions", name, n)] = v
		}
		add("calls", calls)
		add("calls through the table", random(8), within(n, 1), []byte{0x11, 0, 0})
		add("references", random(8), within(n, 1), []byte{0x25, 0, 0xd1}, get(10), []byte{0x6a}, setLocal(10))
	}
	return all
}

// entryShapes pass and save much where functions begin and end.
func entryShapes() map[string]work {
	i64, f64 := []byte{wasmtest.I64}, []byte{wasmtest.F64}
	mixed := wasmtest.Func{
		Params: slices.Concat(bytes.Repeat(i64, 64), bytes.Repeat(f64, 64)), Results: slices.Concat(bytes.Repeat(i64, 8), bytes.Repeat(f64, 8)),
		Body: slices.Concat(bytes.Repeat(get(3), 8), bytes.Repeat(get(77), 8)),
	}
	var fill, use []byte
	for i := range 20 {
		fill = slices.Concat(fill, global(0), wasmtest.Const64(int64(i)), wasmtest.Add64(), setLocal(i))
		use = slices.Concat(use, get(i), global(0), wasmtest.Add64(), wasmtest.GlobalSet(0))
	}
	saving := wasmtest.Func{Locals: 20, Body: slices.Concat(fill, wasmtest.Call(2), use)}
	sparing := wasmtest.Func{Locals: 20, Body: slices.Concat(never[:0], global(0), []byte{0xa7}, ifThen(fill, wasmtest.Call(2), use))}
	return map[string]work{
		"call, 128 unlike parameters, 16 results": {funcs: []wasmtest.Func{mixed}, body: endless(bytes.Repeat(get(0), 64), bytes.Repeat(get(4), 64), wasmtest.Call(1), bytes.Repeat(wasmtest.Drop(), 16))},
		"call of one that saves registers":        {funcs: []wasmtest.Func{saving, {}}, body: endless(bytes.Repeat(wasmtest.Call(1), 20))},
		"call of one that need not save any":      {funcs: []wasmtest.Func{sparing, {}}, body: endless(bytes.Repeat(wasmtest.Call(1), 20))},
	}
}

// stackShapes go up and down a stack that is larger than a cache.
func stackShapes() map[string]work {
	all := map[string]work{}
	deeper := slices.Concat(get(0), wasmtest.Const64(1), []byte{0x7d}, wasmtest.Call(1))
	for _, n := range []int{1, 10, 50, 100, 400, 1000, 4000} {
		dropped := slices.Concat(bytes.Repeat([]byte{0x3f, 0}, n), deeper, bytes.Repeat(wasmtest.Drop(), n))
		kept := slices.Concat(bytes.Repeat(slices.Concat(global(0), wasmtest.Const64(3), []byte{0x7e}), n), deeper, bytes.Repeat(wasmtest.GlobalSet(0), n))
		for name, body := range map[string][]byte{"dropped": dropped, "kept": kept} {
			for _, depth := range []int{20, 400, 3000} {
				if n*depth > 400_000 {
					continue
				}
				f := wasmtest.Func{Params: []byte{wasmtest.I64}, Body: wasmtest.Code(get(0), []byte{0x50, 0x45}, ifThen(body))}
				all[fmt.Sprintf("recursion to %d, %d values %s", depth, n, name)] = work{funcs: []wasmtest.Func{f}, body: endless(wasmtest.Const64(int64(depth)), wasmtest.Call(1))}
			}
		}
	}
	return all
}

// mix changes the i64 local 0, and top says whether it is negative.
var (
	mix = slices.Concat(get(0), wasmtest.Const64(6364136223846793005), []byte{0x7e}, wasmtest.Const64(1442695040888963407), wasmtest.Add64(), setLocal(0))
	top = slices.Concat(get(0), wasmtest.Const64(0), []byte{0x53})
)

// predictionShapes branch as no processor foresees.
func predictionShapes() map[string]work {
	add := slices.Concat(get(1), wasmtest.Const64(1), wasmtest.Add64(), setLocal(1))
	bit := func(n int32) []byte {
		return slices.Concat(get(0), []byte{0xa7}, wasmtest.Const32(n), []byte{0x71})
	}
	pick := func(to, a, b int) []byte { return slices.Concat(get(a), get(b), top, []byte{0x1b}, setLocal(to)) }
	all := map[string]work{}
	for name, code := range map[string][]byte{
		"if at random":            slices.Concat(mix, top, ifThen(add)),
		"br_if at random":         slices.Concat(mix, block(top, brIf(0))),
		"br_if at random, twice":  slices.Concat(mix, block(top, brIf(0)), block(bit(1<<21), brIf(0))),
		"br_ifs by one number":    slices.Concat(mix, block(bit(1<<31-1<<30), brIf(0)), block(bit(1<<29), brIf(0)), block(bit(1<<28), brIf(0)), block(bit(1<<27), brIf(0))),
		"select of floats":        slices.Concat(mix, pick(4, 4, 5), pick(5, 5, 4), pick(6, 6, 4)),
		"select of whole numbers": slices.Concat(mix, pick(1, 1, 2), pick(2, 2, 1), pick(3, 3, 1)),
	} {
		all[name] = work{body: endless(bytes.Repeat(code, 50))}
	}
	return all
}

// floatShapes compute with numbers that some processors are slow with.
func floatShapes() map[string]work {
	all := map[string]work{}
	reinterpret := slices.Concat(get(0), []byte{0xbf})
	for name, op := range map[string]byte{"min": 0xa4, "max": 0xa5, "copysign": 0xa6, "add": 0xa0, "mul": 0xa2, "div": 0xa3} {
		code := slices.Concat(mix, reinterpret, get(4), []byte{op}, setLocal(5), get(5), reinterpret, []byte{op}, setLocal(4), get(4), get(6), []byte{op}, setLocal(6))
		all["f64."+name+" at random"] = work{body: endless(bytes.Repeat(code, 50))}
	}
	small := slices.Concat(wasmtest.Const64(0x000fffffffffffff), []byte{0xbf}, setLocal(4))
	one, least := slices.Concat(wasmtest.Const64(0x3ff0000000000001), []byte{0xbf}), slices.Concat(wasmtest.Const64(1), []byte{0xbf})
	for name, code := range map[string][]byte{
		"f64.mul of denormals": slices.Concat(one, []byte{0xa2}),
		"f64.add of denormals": slices.Concat(least, []byte{0xa0}),
		"f64.div of denormals": slices.Concat(one, []byte{0xa3}),
		"f32 and back":         {0xb6, 0xbb},
	} {
		all[name] = work{body: slices.Concat(small, endless(bytes.Repeat(slices.Concat(get(4), code, setLocal(4)), 100)))}
	}
	trunc := func(op byte) []byte {
		return slices.Concat(reinterpret, []byte{0xfc, op}, get(1), wasmtest.Add64(), setLocal(1))
	}
	all["trunc_sat at random"] = work{body: endless(bytes.Repeat(slices.Concat(mix, trunc(6), trunc(7)), 50))}
	all["bits counted"] = work{body: endless(bytes.Repeat(slices.Concat(get(0), []byte{0x7b, 0x79, 0x7a}, setLocal(0)), 100))}
	return all
}
