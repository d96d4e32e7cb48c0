package gate

import "strings"

// Op is an instruction: its opcode byte, or 0xfc00 and what follows that prefix.
type Op uint16

// The instructions that are more than a signature.
const (
	OpUnreachable  Op = 0x00
	OpNop          Op = 0x01
	OpBlock        Op = 0x02
	OpLoop         Op = 0x03
	OpIf           Op = 0x04
	OpElse         Op = 0x05
	OpEnd          Op = 0x0b
	OpBr           Op = 0x0c
	OpBrIf         Op = 0x0d
	OpBrTable      Op = 0x0e
	OpReturn       Op = 0x0f
	OpCall         Op = 0x10
	OpCallIndirect Op = 0x11
	OpDrop         Op = 0x1a
	OpSelect       Op = 0x1b
	OpSelectT      Op = 0x1c
	OpLocalGet     Op = 0x20
	OpLocalSet     Op = 0x21
	OpLocalTee     Op = 0x22
	OpGlobalGet    Op = 0x23
	OpGlobalSet    Op = 0x24
	OpTableGet     Op = 0x25
	OpTableSet     Op = 0x26
	OpMemorySize   Op = 0x3f
	OpMemoryGrow   Op = 0x40
	OpI32Const     Op = 0x41
	OpI64Const     Op = 0x42
	OpF32Const     Op = 0x43
	OpF64Const     Op = 0x44
	OpRefNull      Op = 0xd0
	OpRefIsNull    Op = 0xd1
	OpRefFunc      Op = 0xd2
	OpMemoryInit   Op = 0xfc08
	OpDataDrop     Op = 0xfc09
	OpMemoryCopy   Op = 0xfc0a
	OpMemoryFill   Op = 0xfc0b
	OpTableInit    Op = 0xfc0c
	OpElemDrop     Op = 0xfc0d
	OpTableCopy    Op = 0xfc0e
	OpTableGrow    Op = 0xfc0f
	OpTableSize    Op = 0xfc10
	OpTableFill    Op = 0xfc11
)

const (
	prefixMisc    = 0xfc
	prefixSIMD    = 0xfd
	prefixThreads = 0xfe
)

// opInfo describes an instruction.
type opInfo struct {
	name  string
	sig   string // operands, a colon, results: i and I are i32 and i64, f and F f32 and f64
	imm   immediate
	align uint8 // of an access: log2 of its bytes
	// checks is how many checks that may trap a compiler makes of it, beside
	// those of an access: each leaves the function in a way of its own.
	checks uint8
}

// immediate is what follows an opcode.
type immediate uint8

const (
	immNone      immediate = iota
	immBlock               // a block type
	immIndex               // an index
	immPair                // two indices
	immIndexZero           // an index, and the index of the memory
	immTable               // the labels of a br_table
	immTypes               // a vector of value types
	immMemory              // alignment and offset
	immZero                // the index of the memory
	immZeros               // that, twice
	immS32
	immS64
	immF32
	immF64
	immRef // a reference type
)

func (o Op) info() opInfo {
	if o>>8 == prefixMisc && int(o&0xff) < len(miscOps) {
		return miscOps[o&0xff]
	}
	if o < 256 {
		return plainOps[o]
	}
	return opInfo{}
}

// String returns the instruction's name in the text format, "" for what is
// refused.
func (o Op) String() string { return o.info().name }

// Signature returns the types of an instruction's operands and results, a letter each:
// i and I are i32 and i64, f and F f32 and f64; false if they do not follow from the
// opcode alone.
func (o Op) Signature() (operands, results string, ok bool) {
	return strings.Cut(o.info().sig, ":")
}

// Stack returns how many operands an instruction takes and how many results it
// leaves; false if that does not follow from the opcode alone.
func (o Op) Stack() (takes, leaves int, ok bool) {
	operands, results, ok := o.Signature()
	return len(operands), len(results), ok
}

// Access reports whether the instruction loads from memory or stores to it.
func (o Op) Access() bool { return o.info().imm == immMemory }

// Width returns how many bytes an access to memory loads or stores.
func (o Op) Width() int { return 1 << o.info().align }

// Ops returns every instruction that a module may contain.
func Ops() (ops []Op) {
	for b, info := range plainOps {
		if info.name != "" {
			ops = append(ops, Op(b))
		}
	}
	for sub := range miscOps {
		ops = append(ops, prefixMisc<<8|Op(sub))
	}
	return ops
}

// refused says why an opcode that is not in the tables is refused.
func refused(b byte) (Rule, string) {
	switch {
	case b == prefixSIMD:
		return RuleFeature, "uses SIMD: policies are compiled without it"
	case b == prefixThreads:
		return RuleFeature, "uses threads: a policy has one"
	case b >= 0x06 && b <= 0x0a || b == 0x18 || b == 0x19 || b == 0x1f:
		return RuleFeature, "uses exceptions: policies are compiled without them"
	case b >= 0x12 && b <= 0x15:
		return RuleFeature, "uses tail calls or function references: policies are compiled without them"
	case b >= 0xd3 && b <= 0xd6 || b == 0xfb:
		return RuleFeature, "uses garbage collection: policies are compiled without it"
	}
	return RuleEncoding, "instruction does not exist"
}
