package hostile

import (
	"bytes"

	"idlehost/host/internal/policy"
	w "idlehost/host/internal/sandbox/wasmtest"
)

// endless does not come back. While a guest runs, nothing can preempt it, and
// a pending garbage collection holds up the whole process.
func endless() []Attack {
	fuel := atCall(policy.FaultFuel)
	return []Attack{
		attack("loop-at-accept", "on_accept loops for ever.", fuel, guest(accept(w.Forever()))),
		attack("loop-at-timeout", "on_timeout loops for ever.", fuel, guest(timeout(w.Forever()))),
		attack("loop-at-close", "on_close loops for ever.", fuel, guest(procedure("on_close", w.Forever()))),
		attack("call-tree", "Sixty functions call the next twice: 2^60 calls in 514 bytes, without a loop.", fuel, callTree),
		attack("loop-by-br-table", "A loop repeats by br_table.", fuel,
			guest(accept(op(0x03, voidType), w.Const32(0), op(0x0e, 1, 0, 0, endOp)))),
		attack("loop-by-br-if", "A loop repeats as long as a constant is not zero.", fuel,
			guest(accept(op(0x03, voidType), w.Const32(1), op(0x0d, 0, endOp)))),
		attack("loop-out-of-inner-blocks", "A loop repeats from ten blocks inside it.", fuel,
			guest(accept(op(0x03, voidType), bytes.Repeat(op(0x02, voidType), 10), op(0x0c, 10), bytes.Repeat(op(endOp), 11)))),
		attack("loop-behind-dead-code", "A loop's branch back comes behind code that is never reached.", fuel,
			guest(accept(op(0x03, voidType, 0x02, voidType, 0x0c, 0, 0x00, endOp, 0x0c, 0, endOp)))),
		attack("loop-without-a-body", "The branch back is reached through the else of an empty if.", fuel,
			guest(accept(op(0x03, voidType), w.Const32(0), op(0x04, voidType, 0x05, 0x0c, 1, endOp, endOp)))),
		attack("loops-in-loops", "Four loops of 65,536 rounds are in one another.", fuel, guest(w.Func{
			Export: "on_accept", Results: []byte{w.I64}, Locals: 4,
			Body: w.Code(times(65536, 0, times(65536, 1, times(65536, 2, times(65536, 3)))), w.Const64(w.Extend60s)),
		})),
		attack("division-storm", "An endless loop divides by 64 bits, the dearest instruction by its byte.", fuel,
			guest(accept(forever(w.Const64(-1), w.Const64(3), op(0x80), w.Drop())))),
		attack("root-storm", "An endless loop takes square roots of numbers that are none.", fuel,
			guest(accept(forever(op(0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f, 0x9f, 0x1a))))),
		attack("loop-in-every-hook", "Every hook loops, so that each new instance is lost at once.", fuel,
			guest(accept(w.Forever()), timeout(w.Forever()), procedure("on_close", w.Forever()))),
	}
}

// callTree has on_accept call $4, which calls $5 twice, and so on.
func callTree() []byte {
	m := w.Guest(accept(w.Call(4)))
	const depth = 60
	for i := range depth {
		var body []byte
		if i < depth-1 {
			body = w.Code(w.Call(uint32(5+i)), w.Call(uint32(5+i)))
		}
		m.Funcs = append(m.Funcs, procedure("", body))
	}
	return m.Bytes()
}

// recursion goes for the stack, which is the host's memory.
func recursion() []Attack {
	fuel := atCall(policy.FaultFuel)
	return []Attack{
		attack("recursion", "A function calls itself.", fuel, guest(accept(w.Call(2), w.Drop()))),
		attack("recursion-mutual", "Two hooks call each other.", fuel,
			guest(accept(w.Call(3), w.Drop()), timeout(w.Call(2), w.Drop()))),
		attack("recursion-with-locals", "A function of 1000 live locals calls itself.", fuel, func() []byte {
			var fill, sum []byte
			for i := range uint64(1000) {
				fill = append(fill, w.Code(w.LocalGet(0), op(0x41, 1, 0x6a, 0x21), u(i))...)
				sum = append(sum, w.Code(op(0x20), u(i), op(0x6a))...)
			}
			deep := w.Func{Params: []byte{w.I32}, Locals: 1000, Results: []byte{w.I32},
				Body: w.Code(fill, w.LocalGet(0), w.Call(4), sum)}
			return w.Guest(accept(w.Const32(0), w.Call(4), w.Drop()), deep).Bytes()
		}),
		attack("recursion-with-operands", "A function calls itself with 2000 operands on the stack.", fuel, func() []byte {
			deep := w.Func{Params: []byte{w.I64}, Results: []byte{w.I64},
				Body: w.Code(bytes.Repeat(op(0x20, 0, 0x42, 3, 0x7e), 2000), op(0x20, 0), w.Call(4), bytes.Repeat(op(0x7c), 2000))}
			return w.Guest(accept(w.Const64(7), w.Call(4), w.Drop()), deep).Bytes()
		}),
		attack("recursion-with-parameters", "A function passes 128 parameters to itself.", fuel, func() []byte {
			var pass []byte
			for i := range uint64(128) {
				pass = append(pass, w.Code(op(0x20), u(i))...)
			}
			deep := w.Func{Params: bytes.Repeat([]byte{w.I64}, 128), Body: w.Code(pass, w.Call(4))}
			return w.Guest(accept(bytes.Repeat(op(0x42, 1), 128), w.Call(4)), deep).Bytes()
		}),
		attack("recursion-with-results", "A function takes 16 results from itself and adds them up.", fuel, func() []byte {
			deep := w.Func{Results: bytes.Repeat([]byte{w.I64}, 16), Body: w.Call(4)}
			return w.Guest(accept(w.Call(4), bytes.Repeat(w.Drop(), 16)), deep).Bytes()
		}),
		attack("recursion-with-both", "A function passes 128 parameters to itself and takes 16 results.", fuel, func() []byte {
			var pass []byte
			for i := range uint64(128) {
				pass = append(pass, w.Code(op(0x20), u(i))...)
			}
			deep := w.Func{Params: bytes.Repeat([]byte{w.I64}, 128), Results: bytes.Repeat([]byte{w.I64}, 16), Body: w.Code(pass, w.Call(4))}
			return w.Guest(accept(bytes.Repeat(op(0x42, 1), 128), w.Call(4), bytes.Repeat(w.Drop(), 16)), deep).Bytes()
		}),
		attack("recursion-over-results", "A function keeps 16 results of each of 1500 calls, two bytes a call, and calls itself.", fuel, func() []byte {
			return w.Guest(accept(w.Call(5)), procedure(""), keeper(), many()).Bytes()
		}),
		attack("recursion-at-init-over-results", "The same with the fuel of an initialisation.", atInit(policy.FaultFuel), func() []byte {
			return w.Guest(procedure("_initialize", w.Call(5)), keeper(), many()).Bytes()
		}),
		attack("recursion-at-init", "A function takes 16 results from itself, with the fuel of an initialisation: 178 MB of stack.", atInit(policy.FaultFuel), func() []byte {
			deep := w.Func{Results: bytes.Repeat([]byte{w.I64}, 16), Body: w.Call(5)}
			return w.Guest(procedure("_initialize", w.Call(5), bytes.Repeat(w.Drop(), 16)), deep).Bytes()
		}),
		attack("recursion-to-a-depth", "A function calls itself 100,000 deep, returns, and does so again.", fuel, func() []byte {
			return w.Guest(accept(forever(w.Const32(100_000), w.Call(4))), deep(4)).Bytes()
		}),
	}
}

// many returns 16 numbers; keeper, before it, keeps what 1500 calls of it
// return while it calls itself.
func many() w.Func {
	return w.Func{Results: bytes.Repeat([]byte{w.I64}, 16), Body: bytes.Repeat(op(0x42, 1), 16)}
}

func keeper() w.Func {
	const n = 1500
	return procedure("", bytes.Repeat(w.Call(6), n), w.Call(5), bytes.Repeat(op(0x7c), 16*n-1), w.Drop())
}

// deep is function $self, which calls itself as deep as it is told, and
// returns.
//
//	(param i32) (if (local.get 0) (then (call $self (i32.sub (local.get 0) (i32.const 1)))))
func deep(self uint32) w.Func {
	return w.Func{Params: []byte{w.I32},
		Body: w.Code(w.LocalGet(0), w.If(w.Code(w.LocalGet(0), w.Const32(1), op(0x6b), w.Call(self))))}
}

// traps end a call the hard way. The instance may be in any state after it.
func traps() []Attack {
	trap := atCall(policy.FaultTrap)
	nan := op(0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)
	huge := op(0x44, 0x9c, 0x75, 0, 0x88, 0x3c, 0xe4, 0x37, 0x7e) // 1e300
	return []Attack{
		attack("trap-at-accept", "on_accept traps.", trap, guest(accept(w.Unreachable()))),
		attack("trap-at-timeout", "on_timeout traps.", trap, guest(timeout(w.Unreachable()))),
		attack("trap-at-close", "on_close traps.", trap, guest(procedure("on_close", w.Unreachable()))),
		attack("trap-division-by-zero", "A number is divided by zero.", trap, guest(accept(w.Const32(1), w.Const32(0), op(0x6d, 0x1a)))),
		attack("trap-remainder-by-zero", "A remainder of a division by zero is taken.", trap, guest(accept(w.Const64(1), w.Const64(0), op(0x82, 0x1a)))),
		attack("trap-division-overflow", "The least number is divided by -1, which faults in the processor.", trap,
			guest(accept(w.Const64(-1<<63), w.Const64(-1), op(0x7f, 0x1a)))),
		attack("trap-nan-to-integer", "What is no number becomes an integer.", trap, guest(accept(nan, op(0xb0, 0x1a)))),
		attack("trap-float-to-integer", "1e300 becomes an integer of 32 bits.", trap, guest(accept(huge, op(0xab, 0x1a)))),
		attack("saturating-nonsense", "What is no number, and what is too large, become integers without a trap.", harmless(),
			guest(accept(nan, misc(6), w.Drop(), huge, misc(3), w.Drop()))),
		attack("remainder-overflow", "The remainder of the least number by -1 is 0, and faults in the processor.", harmless(),
			guest(accept(w.Const64(-1<<63), w.Const64(-1), op(0x81, 0x1a)))),
		attack("trap-then-go-on", "The first call leaves a mark and traps, to be called again on its broken memory.", trap, func() []byte {
			// (if (i32.load (i32.const 0)) (then (loop (br 0)))) (i32.store (i32.const 0) (i32.const 1)) unreachable
			return w.Guest(accept(w.Load32(0), w.If(w.Forever()), w.Store32(0, w.Const32(1)), w.Unreachable())).Bytes()
		}),
	}
}
