package gate

import (
	"fmt"
	"unicode/utf8"
)

// reader reads a window of a module. The first refusal sticks: what is read
// after it is zero, and nothing is left to read, so that loops end.
type reader struct {
	wasm     []byte // the whole module
	pos, end int    // the window's unread part
	section  string
	fn       int // index of the function being read, -1
	err      *Refusal
}

func (r *reader) ok() bool { return r.err == nil }

func (r *reader) left() int { return r.end - r.pos }

// refuse records a refusal, unless there is one.
func (r *reader) refuse(at int, rule Rule, format string, args ...any) {
	if r.err == nil {
		r.err = &Refusal{Offset: int64(at), Section: r.section, Func: r.fn, Rule: rule, Text: fmt.Sprintf(format, args...)}
	}
	r.pos = r.end
}

// cap refuses a number above a limit. what is a verb and a noun, such as
// "declares %d locals".
func (r *reader) cap(at int, rule Rule, what string, got uint64, limit int) bool {
	if got <= uint64(limit) {
		return true
	}
	r.refuse(at, rule, what, got)
	if r.err.Rule == rule {
		r.err.Got, r.err.Limit = got, uint64(limit)
	}
	return false
}

func (r *reader) byte() byte {
	if r.pos >= r.end {
		r.refuse(r.pos, RuleTruncated, "ends where a byte should follow")
		return 0
	}
	b := r.wasm[r.pos]
	r.pos++
	return b
}

// bytes returns a view of the next n bytes.
func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(r.left()) {
		r.refuse(r.pos, RuleTruncated, "%d bytes should follow, %d are left", n, r.left())
		return nil
	}
	b := r.wasm[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b
}

// u32 reads an unsigned LEB128 integer of at most 32 bits.
func (r *reader) u32() uint32 {
	if r.pos < r.end && r.wasm[r.pos] < 0x80 { // nearly all of them
		r.pos++
		return uint32(r.wasm[r.pos-1])
	}
	at := r.pos
	var v uint32
	for shift := 0; ; shift += 7 {
		b := r.byte()
		if shift == 28 && b > 0x0f {
			r.refuse(at, RuleInteger, "integer has more than 32 bits")
			return 0
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
}

// signed reads a signed LEB128 integer of at most bits bits: 32, 33 or 64.
func (r *reader) signed(bits int) int64 {
	at := r.pos
	var v int64
	for shift := 0; ; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if rest := bits - shift; rest < 7 {
			// The last byte: its unused bits repeat the sign, and none follows.
			sign := int64(int8(b<<1)) >> 1 >> (rest - 1)
			if b >= 0x80 || sign != 0 && sign != -1 {
				r.refuse(at, RuleInteger, "integer has more than %d bits", bits)
				return 0
			}
		}
		if b < 0x80 {
			if used := shift + 7; used < 64 {
				v = v << (64 - used) >> (64 - used)
			}
			return v
		}
	}
}

// count reads how many things of at least one byte each follow.
func (r *reader) count(what string) uint32 {
	at := r.pos
	n := r.u32()
	if uint64(n) > uint64(r.left()) && r.ok() {
		r.refuse(at, RuleTruncated, "declares %d %s in the %d bytes that are left", n, what, r.left())
		return 0
	}
	return n
}

// name reads a name. The bytes left bound it.
func (r *reader) name() string {
	n := r.u32()
	at := r.pos
	b := r.bytes(n)
	if !utf8.Valid(b) {
		r.refuse(at, RuleName, "name is not UTF-8")
		return ""
	}
	return string(b)
}

// valType reads a value type.
func (r *reader) valType() ValType {
	at := r.pos
	t := ValType(r.byte())
	switch t {
	case I32, I64, F32, F64, FuncRef, ExternRef:
	case V128:
		r.refuse(at, RuleFeature, "uses v128: policies are compiled without SIMD")
	default:
		if r.ok() {
			r.refuse(at, RuleEncoding, "value type %#x does not exist", byte(t))
		}
	}
	return t
}

func (r *reader) refType() ValType {
	at := r.pos
	t := r.valType()
	if r.ok() && !t.ref() {
		r.refuse(at, RuleEncoding, "%v is not a reference type", t)
	}
	return t
}
