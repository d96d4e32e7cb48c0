package meter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"idlehost/host/internal/sandbox/gate"
)

// accessClasses have every instruction that loads or stores, by the table of
// opcodes.
func accessClasses() map[string]work {
	all := map[string]work{}
	var loads, stores []gate.Op
	for _, op := range gate.Ops() {
		if _, results, _ := op.Signature(); op.Access() && results == "" {
			stores = append(stores, op)
		} else if op.Access() {
			loads = append(loads, op)
		}
	}
	for _, op := range loads {
		all[op.String()+" in a chain"] = loadChain(op)
		for _, pages := range []int{8, 16, 128} {
			all[fmt.Sprintf("%v over pages of a processor, %d pages", op, pages)] = eachPage(op, pages)
		}
	}
	for _, store := range stores {
		for _, pages := range []int{8, 16, 128} {
			all[fmt.Sprintf("%v over pages of a processor, %d pages", store, pages)] = eachPage(store, pages)
		}
		for _, load := range loads {
			all[fmt.Sprintf("%v, %v", store, load)] = storeAndLoad(store, load)
		}
	}
	return all
}

// split is the offset in a page of the processor at which an access of so many
// bytes reaches into the next one: as far as it goes.
func split(op gate.Op) int { return 4096 - op.Width() + op.Width()/2 }

func memory(op gate.Op, offset int) []byte {
	return slices.Concat([]byte{byte(op), 0}, uleb(offset))
}

// selected has a result in use, and a sum of its type.
func selected(kind byte) []byte {
	sum, _, _ := localsOf(kind)
	return slices.Concat(get(sum), get(takeResult), []byte{0x1b}, setLocal(sum))
}

// eachPage accesses the end of each of a processor's pages at known addresses, in
// random order.
func eachPage(op gate.Op, pages int) work {
	operands, results, _ := op.Signature()
	var code []byte
	for _, page := range rand.New(rand.NewPCG(1, 2)).Perm(16*pages - 1) {
		code = append(code, get(11)...)
		if results == "" {
			value, _, _ := localsOf(operands[1])
			code = slices.Concat(code, get(value), memory(op, page*4096+split(op)))
		} else {
			code = slices.Concat(code, memory(op, page*4096+split(op)), selected(results[0]))
		}
	}
	return work{pages: uint32(pages), singles: 3, fill: noise, body: slices.Concat(i32(1), setLocal(takeResult), endless(code))}
}

// loadChain has each load's address wait for the last one.
func loadChain(op gate.Op) work {
	_, results, _ := op.Signature()
	address := map[byte][]byte{'i': nil, 'I': {0xa7}, 'f': {0xbc}, 'F': {0xbd, 0xa7}}[results[0]]
	code := slices.Concat(get(11), memory(op, 0), address, get(9), []byte{0x6a}, setLocal(11))
	if results == "i" {
		code = slices.Concat(get(9), get(11), []byte{0x6a}, memory(op, 0), setLocal(11))
	}
	return work{pages: 1, singles: 3, cases: addressCases(op, op), body: slices.Concat(addresses, endless(bytes.Repeat(code, 100)))}
}

// addresses loads two addresses into the i32 locals 9 and 8, and 11 begins at the
// first.
var addresses = slices.Concat(i32(1), setLocal(takeResult), i32(0), []byte{0x28, 2, 0}, setLocal(9), i32(0), []byte{0x28, 2, 4}, setLocal(8))

// storeAndLoad loads what was stored, or what lies beside it.
func storeAndLoad(store, load gate.Op) work {
	operands, _, _ := store.Signature()
	_, results, _ := load.Signature()
	sum, _, _ := localsOf(results[0])
	if results == "i" {
		sum = 11 // 8 and 9 are the addresses
	}
	value, _, _ := localsOf(operands[1])
	if operands[1] == 'i' {
		value = 11
	}
	after := slices.Concat(get(sum), get(takeResult), []byte{0x1b}, setLocal(sum))
	if operands[1] == results[0] {
		after = setLocal(value) // which is stored next
	}
	code := slices.Concat(get(9), get(value), memory(store, 0), get(8), memory(load, 0), after)
	return work{pages: 1, singles: 3, cases: addressCases(store, load), body: slices.Concat(addresses, endless(bytes.Repeat(code, 100)))}
}

// addressCases are addresses of a store and of the load behind it: within a
// line, over two and over two pages of the processor, from another start, and
// where the lowest twelve bits alone are the same.
func addressCases(store, load gate.Op) map[string]func([]byte) {
	cases := map[string]func([]byte){}
	for place, at := range map[string]int{"a line": 8192, "two lines": 8192 + split(store) - 4096 + 64, "two pages": 8192 + split(store)} {
		for kind, offset := range map[string]int{
			"the same": 0, "the next byte": 1, "the middle": store.Width() / 2, "a byte before": -1, "4 KiB on": 4096, "4 KiB and a byte on": 4097,
		} {
			if load == store && offset != 0 {
				continue // nothing is stored
			}
			cases[fmt.Sprintf(" in %s, %s", place, kind)] = func(mem []byte) {
				binary.LittleEndian.PutUint32(mem, uint32(at))
				binary.LittleEndian.PutUint32(mem[4:], uint32(at+offset))
			}
		}
	}
	return cases
}
