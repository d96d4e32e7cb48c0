package gate

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/sandbox/wasmtest"
)

func concat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// sec encodes a section.
func sec(id byte, content ...byte) []byte {
	return concat([]byte{id}, leb(len(content)), content)
}

func leb(v int) []byte {
	var b []byte
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// raw is a module of sections.
func raw(sections ...[]byte) []byte {
	return concat([]byte("\x00asm\x01\x00\x00\x00"), concat(sections...))
}

// fn is a module of one function of type () -> () with memory, a table and a
// constant global.
func fn(code ...byte) []byte {
	body := concat([]byte{0}, code, []byte{0x0b})
	return raw(sec(1, 1, 0x60, 0, 0), sec(3, 1, 0), sec(4, 1, 0x70, 0, 1), sec(5, 1, 0, 1),
		sec(6, 1, 0x7f, 0, 0x41, 0, 0x0b), sec(10, concat([]byte{1}, leb(len(body)), body)...))
}

// small are limits that a test module of a few bytes exceeds.
func small() Limits {
	return Limits{
		ModuleBytes: 4096, Types: 2, Params: 2, Results: 2, Imports: 2, Functions: 3, TableEntries: 4,
		MemoryPages: 2, Globals: 2, Exports: 4, Elements: 2, Data: 2, Locals: 10, AllLocals: 15,
		BodyBytes: 200, Depth: 4, Targets: 4, Operands: 8, Effort: 9000,
	}
}

func contract() Contract {
	i32 := []ValType{I32}
	return Contract{
		Imports: []Import{{"idlehost", "log", FuncType{Params: i32}}, {"env", "abort", FuncType{}}},
		Exports: []Export{
			{Name: "must", Presence: Required, Type: FuncType{Results: i32}, Hint: "the host calls it"},
			{Name: "lonely", Type: FuncType{Results: i32}, With: "partner"},
			{Name: "_start", Presence: Forbidden, Hint: "a policy is no command"},
		},
		Memory: "memory",
	}
}

func repeat(n int, code ...byte) []byte {
	var b []byte
	for range n {
		b = append(b, code...)
	}
	return b
}

// TestRefusals holds one hand-made module, at least, against every rule.
func TestRefusals(t *testing.T) {
	types, empty := sec(1, 1, 0x60, 0, 0), Contract{}
	cases := []struct {
		rule     Rule
		text     string
		wasm     []byte
		contract Contract
	}{
		{RuleHeader, "not a WebAssembly module", []byte("\x7fELF\x01\x00\x00\x00"), empty},
		{RuleHeader, "not a WebAssembly module", nil, empty},
		{RuleHeader, "version 1", []byte("\x00asm\x0d\x00\x01\x00"), empty},
		{RuleTruncated, "declares 200000000 imports in the 0 bytes that are left", raw(sec(2, 0x80, 0x84, 0xaf, 0x5f)), empty},
		{RuleTruncated, "5 bytes should follow, 1 are left", raw([]byte{1, 5, 0}), empty},
		{RuleTruncated, "ends where a byte should follow", raw(sec(1, 1, 0x60, 0x80)), empty},
		{RuleInteger, "more than 32 bits", raw(sec(1, 0x80, 0x80, 0x80, 0x80, 0x10)), empty},
		{RuleInteger, "more than 32 bits", fn(0x41, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x1a), empty},
		{RuleInteger, "more than 64 bits", fn(0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x1a), empty},
		{RuleName, "not UTF-8", raw(types, sec(2, 1, 1, 0xff, 0, 0, 0)), empty},
		{RuleName, "not UTF-8", raw(sec(0, 1, 0xff)), empty},
		{RuleSection, "section 14 does not exist", raw(sec(14)), empty},
		{RuleSection, "two type sections", raw(types, types), empty},
		{RuleSection, "type section comes too late", raw(sec(3, 0), types), empty},
		{RuleSection, "1 bytes follow the section's last entry", raw(sec(1, 0, 0)), empty},
		{RuleEncoding, "value type 0x40 does not exist", raw(sec(1, 1, 0x60, 1, 0x40, 0)), empty},
		{RuleEncoding, "instruction does not exist (opcode 0xff)", fn(0xff), empty},
		{RuleEncoding, "instruction 0xfc 99 does not exist", fn(0xfc, 99), empty},
		{RuleCount, "declares 1 functions, has no code", raw(types, sec(3, 1, 0)), empty},
		{RuleCount, "code section has 1 functions, 0 are declared", raw(sec(10, 1, 2, 0, 0x0b)), empty},
		{RuleCount, "announces 1 data segments, has 0", raw(sec(12, 1)), empty},
		{RuleFeature, "SIMD", fn(0xfd, 0x0c), empty},
		{RuleFeature, "SIMD", raw(sec(1, 1, 0x60, 1, 0x7b, 0)), empty},
		{RuleFeature, "threads", fn(0xfe, 3, 0), empty},
		{RuleFeature, "shared", raw(sec(5, 1, 3, 1, 1)), empty},
		{RuleFeature, "64 bits", raw(sec(5, 1, 4, 1)), empty},
		{RuleFeature, "exceptions", fn(0x06, 0x40), empty},
		{RuleFeature, "exceptions", raw(sec(13, 0)), empty},
		{RuleFeature, "tail calls", fn(0x12, 0), empty},
		{RuleFeature, "only functions have types", raw(sec(1, 1, 0x5f, 0)), empty},
		{RuleFeature, "memory index 1", fn(0x3f, 1, 0x1a), empty},
		{RuleIndex, "global 7 does not exist, the module has 1", fn(0x41, 0, 0x24, 7), empty},
		{RuleIndex, "local 0 does not exist", fn(0x20, 0, 0x1a), empty},
		{RuleIndex, "function 9 does not exist", fn(0x10, 9), empty},
		{RuleIndex, "type 3 does not exist", raw(types, sec(3, 1, 3)), empty},
		{RuleIndex, "branches out of 6 blocks, is in 1", fn(0x0c, 5), empty},
		{RuleIndex, "table 1 does not exist", fn(0xfc, 16, 1, 0x1a), empty},
		{RuleIndex, "exports memory 0, the module has 0", raw(sec(7, 1, 1, 'm', 2, 0)), empty},
		{RuleIndex, "data segment is for memory 0", raw(sec(11, 1, 0, 0x41, 0, 0x0b, 0)), empty},
		{RuleType, "takes i32, finds i64", fn(0x42, 0, 0x45, 0x1a), empty},
		{RuleType, "takes an operand from an empty stack", fn(0x1a), empty},
		{RuleType, "leaves 1 operands too many", fn(0x41, 0), empty},
		{RuleType, "start function is (i32) -> ()", raw(sec(1, 1, 0x60, 1, 0x7f, 0), sec(3, 1, 0), sec(8, 0), sec(10, 1, 2, 0, 0x0b)), empty},
		{RuleControl, "else without if", fn(0x05), empty},
		{RuleControl, "1 bytes of code follow the function's end", fn(0x0b), empty},
		{RuleConstant, "computed by i32.add", raw(sec(6, 1, 0x7f, 0, 0x6a, 0x0b)), empty},
		{RuleConstant, "more than one constant", raw(sec(6, 1, 0x7f, 0, 0x41, 0, 0x41, 0, 0x0b)), empty},
		{RuleMutable, "writes global 0, which is a constant", fn(0x41, 0, 0x24, 0), empty},
		{RuleAlignment, "i32.load8_s promises an alignment of 2^1 bytes", fn(0x41, 0, 0x2c, 1, 0, 0x1a), empty},
		{RuleRange, "minimum 2 is more than maximum 1", raw(sec(5, 1, 1, 2, 1)), empty},
		{RuleDuplicate, `exports "m" twice`, raw(sec(5, 1, 0, 1), sec(7, 2, 1, 'm', 2, 0, 1, 'm', 2, 0)), empty},
		{RuleDeclared, "reference to function 0", fn(0xd2, 0, 0x1a), empty},
		{RuleDataCount, "no data count section", fn(0xfc, 9, 0), empty},
		{RuleImport, `imports function "socket" from "env"; a policy may import idlehost (log), env (abort)`, raw(types, sec(2, concat([]byte{1, 3}, []byte("env"), []byte{6}, []byte("socket"), []byte{0, 0})...)), contract()},
		{RuleImport, "imports env.abort as (i32) -> (), should be () -> ()", raw(sec(1, 1, 0x60, 1, 0x7f, 0), sec(2, concat([]byte{1, 3}, []byte("env"), []byte{5}, []byte("abort"), []byte{0, 0})...)), contract()},
		{RuleImport, `imports memory "memory" from "env": a policy may import functions only`, raw(sec(2, concat([]byte{1, 3}, []byte("env"), []byte{6}, []byte("memory"), []byte{2, 0, 1})...)), contract()},
		{RuleExport, `exports no function "must" of type () -> (i32): the host calls it`, raw(), contract()},
		{RuleExport, `exports "_start": a policy is no command`, exporting("_start", "must"), contract()},
		{RuleExport, `exports "must" as (i32) -> (i32), should be () -> (i32)`, wasmtest.Module{Funcs: []wasmtest.Func{{Export: "must", Params: []byte{wasmtest.I32}, Results: []byte{wasmtest.I32}, Body: wasmtest.Const32(0)}}}.Bytes(), contract()},
		{RuleExport, `exports "lonely" without "partner"`, exporting("must", "lonely"), contract()},
		{RuleExport, `exports no memory "memory"`, exporting("must"), contract()},
		{RuleReserved, `exports "idlehost:fuel"`, exporting("idlehost:fuel"), empty},

		{RuleModuleBytes, "has 5000 bytes; the limit is 4096", make([]byte, 5000), empty},
		{RuleTypes, "declares 3 types; the limit is 2", raw(sec(1, 3, 0x60, 0, 0, 0x60, 0, 0, 0x60, 0, 0)), empty},
		{RuleParams, "type has 3 parameters; the limit is 2", raw(sec(1, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0)), empty},
		{RuleResults, "type has 3 results; the limit is 2", raw(sec(1, 1, 0x60, 0, 3, 0x7f, 0x7f, 0x7f)), empty},
		{RuleImports, "has 3 imports; the limit is 2", raw(types, sec(2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), Contract{AnyImport: true}},
		{RuleFunctions, "has 4 functions; the limit is 3", raw(types, sec(3, 4, 0, 0, 0, 0)), empty},
		{RuleTables, "has 2 tables; the limit is 1", raw(sec(4, 2, 0x70, 0, 1, 0x70, 0, 1)), empty},
		{RuleTableEntries, "table has 5 entries; the limit is 4", raw(sec(4, 1, 0x70, 0, 5)), empty},
		{RuleMemories, "has 2 memories; the limit is 1", raw(sec(5, 2, 0, 1, 0, 1)), empty},
		{RuleMemoryPages, "memory begins with 3 pages of 64 KiB; the limit is 2", raw(sec(5, 1, 0, 3)), empty},
		{RuleGlobals, "has 3 globals; the limit is 2", raw(sec(6, concat([]byte{3}, repeat(3, 0x7f, 0, 0x41, 0, 0x0b))...)), empty},
		{RuleExports, "has 5 exports; the limit is 4", raw(sec(7, concat([]byte{5}, repeat(5, 0, 0, 0))...)), empty},
		{RuleElements, "has 3 element segments; the limit is 2", raw(sec(9, 3, 1, 0, 0, 1, 0, 0, 1, 0, 0)), empty},
		{RuleData, "has 3 data segments; the limit is 2", raw(sec(11, 3, 1, 0, 1, 0, 1, 0)), empty},
		{RuleLocals, "function 0 at offset 0x1b: declares 200000000 locals; the limit is 10", raw(types, sec(3, 1, 0), sec(10, 1, 8, 1, 0x80, 0x84, 0xaf, 0x5f, 0x7f, 0x0b, 0x0b)), empty},
		{RuleAllLocals, "brings the locals of all functions to 16; the limit is 15", raw(types, sec(3, 2, 0, 0), sec(10, 2, 4, 1, 8, 0x7f, 0x0b, 4, 1, 8, 0x7f, 0x0b)), empty},
		{RuleBodyBytes, "has 302 bytes of code; the limit is 200", fn(repeat(300, 0x01)...), empty},
		{RuleDepth, "nests 5 blocks; the limit is 4", fn(repeat(5, 0x02, 0x40)...), empty},
		{RuleTargets, "br_table has 5 targets; the limit is 4", fn(0x41, 0, 0x0e, 5, 0, 0, 0, 0, 0, 0), empty},
		{RuleOperands, "has 9 operands on the stack; the limit is 8", fn(repeat(9, 0x41, 0)...), empty},
		{RuleEffort, "brings the effort of compiling to", fn(repeat(15, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0)...), empty},
	}
	met := map[Rule]bool{}
	for _, c := range cases {
		_, err := Check(c.wasm, small(), c.contract)
		var r *Refusal
		if !errors.As(err, &r) {
			t.Errorf("%s, %q: got %v", c.rule, c.text, err)
			continue
		}
		met[c.rule] = true
		if r.Rule != c.rule || !strings.Contains(r.Error(), c.text) {
			t.Errorf("got rule %q: %v\nwant %q: %s", r.Rule, r, c.rule, c.text)
		}
		if r.Offset < 0 || r.Offset > int64(len(c.wasm)) {
			t.Errorf("%v: offset %d of %d bytes", r, r.Offset, len(c.wasm))
		}
		if (r.Limit > 0) != (r.Got > 0) || r.Got > 0 && r.Got <= r.Limit {
			t.Errorf("%v: got %d, limit %d", r, r.Got, r.Limit)
		}
	}
	for _, rule := range Rules() {
		if !met[rule] {
			t.Errorf("rule %q has no test", rule)
		}
	}
}

// exporting is a module that exports functions () -> (i32).
func exporting(names ...string) []byte {
	var m wasmtest.Module
	for _, n := range names {
		m.Funcs = append(m.Funcs, wasmtest.Func{Export: n, Results: []byte{wasmtest.I32}, Body: wasmtest.Const32(1)})
	}
	return m.Bytes()
}
