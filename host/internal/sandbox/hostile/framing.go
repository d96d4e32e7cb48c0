package hostile

import (
	"bytes"
	"slices"

	w "idlehost/host/internal/sandbox/wasmtest"
)

// framing breaks what holds a module together.
func framing() []Attack {
	whole := func(edit func(wasm []byte) []byte) func() []byte {
		return func() []byte { return edit(w.Guest().Bytes()) }
	}
	return []Attack{
		attack("empty", "There is no byte.", refused("header"), func() []byte { return nil }),
		attack("text-format", "The text format is uploaded.", refused("header"),
			func() []byte { return []byte(`(module (memory (export "memory") 1))`) }),
		attack("component", "A component, which begins like a module, is uploaded.", refused("header"),
			func() []byte { return []byte("\x00asm\x0d\x00\x01\x00") }),
		attack("version-2", "A module claims a version that does not exist.", refused("header"),
			func() []byte { return []byte("\x00asm\x02\x00\x00\x00") }),
		attack("only-a-header", "A module ends behind its header.", refused("export"), raw()),
		attack("zeros", "A header is followed by 3 MiB of zeros, each pair a custom section without a name.", refused("truncated"),
			func() []byte { return append(header(), make([]byte, 3<<20)...) }),
		attack("cut-in-half", "A right policy ends in the middle.", refused("truncated"),
			whole(func(b []byte) []byte { return b[:len(b)/2] })),
		attack("last-byte-missing", "A right policy ends a byte early.", refused("truncated"),
			whole(func(b []byte) []byte { return b[:len(b)-1] })),
		attack("section-longer-than-module", "A section is said to be 2^32-1 bytes long.", refused("truncated"),
			func() []byte { return slices.Concat(header(), op(secType), u(most)) }),
		attack("section-with-leftovers", "A section goes on behind its last entry.", refused("section"),
			raw(section(secType, u(0), op(1, 2, 3)))),
		attack("section-twice", "The memory section comes twice.", refused("section"),
			raw(section(secMemory, vec(op(0, 1))), section(secMemory, vec(op(0, 1))))),
		attack("sections-out-of-order", "Code comes before the functions that it belongs to.", refused("section"),
			raw(section(secCode, u(0)), section(secFunction, u(0)))),
		attack("section-unknown", "A section has number 200.", refused("section"), raw(section(200, op(0)))),
		attack("functions-without-code", "Functions are declared, and have no code.", refused("count"),
			raw(section(secType, vec(op(0x60, 0, 0))), section(secFunction, u(3), op(0, 0, 0)))),
		attack("code-without-functions", "There is code that no function is declared for.", refused("count"),
			raw(section(secCode, vec(op(2, 0, endOp))))),
		attack("body-longer-than-section", "A function's code reaches over the end of its section.", refused("truncated"),
			oneBody(u(100), op(0, endOp))),
		attack("body-goes-on", "Code follows the end of its function, where a sloppy reader runs it.", refused("control"),
			oneBody(str(op(0, endOp, 0x00, endOp)))),
		attack("body-without-end", "A function's code stops without an end.", refused("truncated"),
			oneBody(str(op(0, 0x01, 0x01)))),
		attack("leb-overlong", "A number of 32 bits takes six bytes.", refused("integer"),
			raw(section(secType, op(0x80, 0x80, 0x80, 0x80, 0x80, 0x00)))),
		attack("leb-unused-bits", "A number of 32 bits has a 33rd.", refused("integer"),
			raw(section(secType, op(0x80, 0x80, 0x80, 0x80, 0x10)))),
		attack("leb-endless", "A number never ends: a million continuation bytes.", refused("integer"),
			func() []byte { return raw(section(secType, bytes.Repeat(op(0x80), 1_000_000)))() }),
		attack("leb-const-overlong", "A constant of 64 bits takes eleven bytes.", refused("integer"),
			guest(accept(op(0x42), bytes.Repeat(op(0x80), 10), op(0, 0x1a)))),
		attack("float-cut-off", "A module ends inside a constant of eight bytes.", refused("truncated"),
			oneBody(str(op(0, 0x44, 0, 0, 0)))),
	}
}

// oneBody is a module of one function, whose code with its length is given.
func oneBody(code ...[]byte) func() []byte {
	return raw(
		section(secType, vec(op(0x60, 0, 0))),
		section(secFunction, vec(u(0))),
		section(secCode, u(1), slices.Concat(code...)),
	)
}
