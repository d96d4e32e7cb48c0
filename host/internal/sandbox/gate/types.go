package gate

import "strings"

// ValType is a value type, as the binary format writes it.
type ValType byte

// The value types. V128 is known only to be refused.
const (
	I32       ValType = 0x7f
	I64       ValType = 0x7e
	F32       ValType = 0x7d
	F64       ValType = 0x7c
	V128      ValType = 0x7b
	FuncRef   ValType = 0x70
	ExternRef ValType = 0x6f

	// unknown is the type of operands in unreachable code: it matches any type.
	unknown ValType = 0
)

// String returns the type's name in the text format.
func (t ValType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	case unknown:
		return "any"
	}
	return "?"
}

func (t ValType) ref() bool { return t == FuncRef || t == ExternRef }

func (t ValType) numeric() bool { return t <= I32 && t >= F64 }

// FuncType is the type of a function. Its slices are not to be written.
type FuncType struct {
	Params, Results []ValType
}

// String returns "(i32, i32) -> (i64)".
func (t FuncType) String() string {
	return "(" + typeNames(t.Params) + ") -> (" + typeNames(t.Results) + ")"
}

func typeNames(types []ValType) string {
	s := make([]string, 0, min(len(types), maxNames))
	for i, t := range types {
		if i == maxNames {
			s = append(s, "...")
			break
		}
		s = append(s, t.String())
	}
	return strings.Join(s, ", ")
}

// maxNames bounds how many types a message lists.
const maxNames = 16

// GlobalType is the type of a global.
type GlobalType struct {
	Type    ValType
	Mutable bool
}

// Bounds is the size of a table in entries, or of a memory in pages of 64 KiB.
type Bounds struct {
	Min, Max uint32
	HasMax   bool
}

// TableType is the type of a table.
type TableType struct {
	Type ValType
	Bounds
}
