package hostile

import w "idlehost/host/internal/sandbox/wasmtest"

// typing holds code whose operands are not what instructions take: compiled,
// it would read registers that nobody has written.
func typing() []Attack {
	code := func(name, what, rule string, code ...[]byte) Attack {
		return attack(name, what, refused(rule), guest(accept(code...)))
	}
	return []Attack{
		code("address-of-64-bits", "An i64 is used as an address.", "type", w.Const64(-1), op(0x2d, 0, 0), w.Drop()),
		code("stack-underflow", "An operand is taken from an empty stack.", "type", w.Drop()),
		code("stack-underflow-in-block", "A block takes the operands of its surroundings.", "type",
			w.Const32(1), op(0x02, voidType, 0x1a, endOp)),
		code("operands-left", "A block leaves an operand behind.", "type", op(0x02, voidType), w.Const32(1), op(endOp)),
		code("reference-as-number", "A reference is added to a number, to learn an address of the host.", "type",
			op(0xd0, funcRef), w.Const32(1), op(0x6a, 0x1a)),
		code("number-as-reference", "A number is asked whether it is a null reference.", "type", w.Const32(1), op(0xd1, 0x1a)),
		code("select-of-references", "A select without type chooses between references.", "type",
			op(0xd0, funcRef, 0xd0, funcRef), w.Const32(1), op(0x1b, 0x1a)),
		code("if-without-else", "A branch without a second arm has a result.", "type", w.Const32(1), op(0x04, 0x7f), w.Const32(1), op(endOp, 0x1a)),
		code("else-without-if", "A block has a second arm.", "control", op(0x02, voidType, 0x05, endOp)),
		code("br-table-of-mixed-arity", "A br_table goes to labels with and without operands.", "type",
			op(0x02, voidType, 0x02, 0x7f, 0x41, 1, 0x41, 0, 0x0e, 1, 0, 1, endOp, 0x1a, endOp)),
		code("alignment-of-2-to-the-32", "An access promises an alignment of 2^31 bytes.", "alignment",
			w.Const32(0), op(0x28, 31, 0, 0x1a)),
		code("opcode-unknown", "An instruction does not exist.", "encoding", op(0xff)),
		code("opcode-unknown-behind-prefix", "An instruction does not exist behind the prefix for bulk memory.", "encoding",
			op(0xfc), u(most)),
		code("block-type-negative", "A block has a negative type.", "encoding", op(0x02, 0x80, 0x7f, endOp)),
		attack("verdict-of-wrong-type", "A hook that returns an i64 leaves a float.", refused("type"),
			guest(w.Hook("on_accept", op(0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f)))),
		attack("constant-written", "Code writes a global that is constant.", refused("mutable"),
			spliced(w.Guest(accept(w.Const64(1), w.GlobalSet(0))), secGlobal, vec(op(w.I64, 0, 0x42, 0, endOp)))),
		attack("global-from-itself", "A global begins with its own value.", refused("index"),
			spliced(w.Guest(), secGlobal, vec(op(w.I64, 1, 0x23, 0, endOp)))),
		attack("global-computed", "A global's first value is a sum.", refused("constant"),
			spliced(w.Guest(), secGlobal, vec(op(w.I64, 1, 0x42, 1, 0x42, 1, 0x7c, endOp)))),
		attack("global-by-call", "A global's first value is the result of a call.", refused("constant"),
			spliced(w.Guest(), secGlobal, vec(op(w.I64, 1, 0x10, 2, endOp)))),
		attack("start-with-parameters", "The start function takes a parameter.", refused("type"),
			spliced(w.Guest(w.Func{Params: []byte{w.I32}}), secStart, u(4))),
	}
}

// features uses proposals that compilers know and the sandbox does not meter.
func features() []Attack {
	code := func(name, what string, code ...[]byte) Attack {
		return attack("feature-"+name, what, refused("feature"), guest(accept(code...)))
	}
	memory := func(name, what, rule string, limits ...[]byte) Attack {
		return attack("feature-"+name, what, refused(rule), spliced(w.Guest(), secMemory, vec(limits...)))
	}
	return []Attack{
		code("simd", "Code uses SIMD.", op(0xfd, 0x0c), make([]byte, 16), w.Drop()),
		code("atomic-wait", "Code waits for another thread for ever.",
			w.Const32(0), w.Const32(0), w.Const64(-1), op(0xfe, 0x01, 2, 0), w.Drop()),
		code("tail-call", "A loop of tail calls needs no stack and no loop.", op(0x12, 2)),
		code("exceptions", "Code catches what it throws.", op(0x06, voidType, endOp)),
		code("gc-struct", "Code allocates on the host's heap.", op(0xfb, 0, 0)),
		attack("feature-v128-local", "A local holds a vector.", refused("feature"), withLocals(op(1, 1, 0x7b))),
		attack("feature-tag-section", "A section declares exceptions.", refused("feature"), raw(section(13, vec(op(0, 0))))),
		memory("shared-memory", "The memory is shared between threads.", "feature", op(3, 1, 1)),
		memory("memory64", "The memory is addressed by 64 bits.", "feature", op(4, 1)),
		memory("two-memories", "There are two memories.", "memories", op(0, 1), op(0, 1)),
	}
}
