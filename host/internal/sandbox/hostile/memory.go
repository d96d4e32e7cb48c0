package hostile

import (
	"bytes"

	"idlehost/host/internal/policy"
	w "idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// sizes declares or grows memory.
func sizes() []Attack {
	limits := func(name, what string, want Want, limits []byte) Attack {
		return attack(name, what, want, spliced(w.Guest(), secMemory, u(1), limits))
	}
	grown := func(m w.Module, pages uint32) func() []byte {
		m.Pages = pages
		return m.Bytes
	}
	drop := func(pages int32) []byte { return w.Code(w.Grow(pages), w.Drop()) }
	return []Attack{
		limits("memory-4-gib", "The memory begins with 4 GiB.", refused("memory pages"), w.Code(op(0), u(65536))),
		limits("memory-2-to-the-32-pages", "The memory begins with 2^32-1 pages.", refused("memory pages"), w.Code(op(0), u(most))),
		limits("memory-maximum-too-large", "The memory may have 65,537 pages.", refused("range"), w.Code(op(1), u(1), u(65537))),
		limits("memory-maximum-below-minimum", "The memory has at least 2 pages and at most 1.", refused("range"), op(1, 2, 1)),
		limits("memory-maximum-4-gib", "The memory begins with a page and may have 4 GiB, for who reserves the maximum.", harmless(), w.Code(op(1), u(1), u(65536))),
		attack("memory-of-no-pages", "The memory has no pages, the buffer lies in it.", atInit(policy.FaultRefused), grown(w.Guest(), 0)),
		attack("memory-at-the-cap", "The memory begins with as much as a policy may have.", harmless(), grown(w.Guest(), 128)),
		attack("grow-a-page-each-call", "Every question grows the memory by a page, up to the cap and on.", harmless(),
			guest(accept(drop(1)), timeout(drop(1)))),
		attack("grow-by-everything", "A question asks for 4 GiB and traps when it gets -1.", Want{Outcome: AtCall},
			guest(accept(w.Grow(65535), op(0x41, 0x7f, 0x46), w.If(w.Unreachable())))),
		attack("grow-to-the-cap-and-trap", "Every instance takes all the memory there is and is lost.", Want{Outcome: AtCall},
			guest(accept(drop(127), w.Unreachable()))),
		attack("grow-storm", "A loop grows the memory for ever.", atCall(policy.FaultFuel), guest(accept(forever(drop(1))))),
		attack("grow-storm-refused", "A loop asks for 4 GiB for ever, and gets -1.", atCall(policy.FaultFuel), guest(accept(forever(drop(-1))))),
		attack("grow-by-nothing-storm", "A loop grows the memory by no page for ever.", atCall(policy.FaultFuel), guest(accept(forever(drop(0))))),
	}
}

// bulk uses instructions that do much at once.
func bulk() []Attack {
	fuel := atCall(policy.FaultFuel)
	fill := w.Code(w.Const32(0), w.Const32(7), w.Const32(65536), misc(11, 0))
	clone := w.Code(w.Const32(1), w.Const32(0), w.Const32(65535), misc(10, 0, 0))
	passive := func(code ...[]byte) func() []byte {
		return func() []byte {
			b := splice(w.Guest(accept(code...)).Bytes(), secDataCount, u(1))
			return splice(b, secData, vec(append([]byte{1}, str(bytes.Repeat([]byte{9}, 60_000))...)))
		}
	}
	load := w.Code(w.Const32(0), w.Const32(0), w.Const32(60_000), misc(8, 0, 0))
	return []Attack{
		attack("fill-storm", "A loop fills the memory for ever.", fuel, guest(accept(forever(fill)))),
		attack("copy-storm", "A loop moves the memory by a byte for ever.", fuel, guest(accept(forever(clone)))),
		attack("fill-in-a-row", "500 fills of 8 MiB follow one another: no loop, no call, a second of work.", fuel, func() []byte {
			all := w.Code(w.Const32(0), w.Const32(7), w.Const32(128<<16), misc(11, 0))
			m := w.Guest(accept(bytes.Repeat(all, 500)))
			m.Pages = 128
			return m.Bytes()
		}),
		attack("fill-4-gib", "A fill of 2^32-1 bytes wraps around.", Want{Outcome: AtCall},
			guest(accept(w.Const32(1), w.Const32(7), w.Const32(-1), misc(11, 0)))),
		attack("copy-from-outside", "A copy begins at the last byte of the address space.", atCall(policy.FaultTrap),
			guest(accept(w.Const32(0), w.Const32(-1), w.Const32(16), misc(10, 0, 0)))),
		attack("fill-of-nothing-outside", "A fill of no bytes begins outside the memory.", atCall(policy.FaultTrap),
			guest(accept(w.Const32(65537), w.Const32(7), w.Const32(0), misc(11, 0)))),
		attack("fill-of-nothing-storm", "A loop fills no bytes for ever.", fuel,
			guest(accept(forever(w.Const32(0), w.Const32(7), w.Const32(0), misc(11, 0))))),
		attack("init-storm", "A loop copies a passive segment for ever.", fuel, passive(forever(load))),
		attack("init-of-dropped-segment", "A passive segment is copied after it was dropped.", atCall(policy.FaultTrap),
			passive(misc(9, 0), load)),
		attack("drop-storm", "A loop drops a segment that is gone for ever.", fuel, passive(forever(misc(9, 0)))),
		attack("init-past-the-segment", "A passive segment is read past its end, into the host's memory.", atCall(policy.FaultTrap),
			passive(w.Const32(0), w.Const32(59_999), w.Const32(2), misc(8, 0, 0))),
	}
}

// access reads and writes where it must not.
func access() []Attack {
	trap := atCall(policy.FaultTrap)
	data := func(offset int32, n int) []byte {
		return w.Code(op(0), w.Const32(offset), op(endOp), str(make([]byte, n)))
	}
	return []Attack{
		attack("load-at-the-last-address", "Address and offset sum to 2^33-2.", trap,
			guest(accept(w.Const32(-1), op(0x29, 0), u(most), w.Drop()))),
		attack("store-over-the-end", "Eight bytes are written over the last page's end.", trap,
			guest(accept(w.Store64(65532, w.Const64(-1))))),
		attack("store-at-a-negative-address", "The address is -8.", trap,
			guest(accept(w.Const32(-8), w.Const64(-1), op(0x37, 0, 0)))),
		attack("data-outside", "A data segment begins at the memory's end.", atInit(policy.FaultInit),
			spliced(w.Guest(), secData, vec(data(65536, 1)))),
		attack("data-at-a-negative-address", "A data segment begins at -1.", atInit(policy.FaultInit),
			spliced(w.Guest(), secData, vec(data(-1, 1)))),
		attack("data-segments-at-the-cap", "60,000 data segments overwrite one another.", harmless(),
			func() []byte {
				return splice(w.Guest().Bytes(), secData, u(60_000), bytes.Repeat(data(8, 8), 60_000))
			}),
		attack("data-segments-70-thousand", "There are 70,000 data segments.", refused("data segments"),
			func() []byte { return splice(w.Guest().Bytes(), secData, u(70_000), bytes.Repeat(data(8, 1), 70_000)) }),
		attack("memory-moves-while-asked", "The memory grows, and so moves, during every question.", harmless(),
			guest(accept(w.Grow(1), w.Drop(), w.Store64(w.Buffer+abi.EventStateOffset, w.Const64(-1))))),
	}
}
