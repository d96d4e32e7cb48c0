// Package gate validates modules before anything else reads their bytes. It
// accepts a module that is valid WebAssembly, does not endanger its compiler, and
// keeps the contract between host and policy.
//
// It accepts WebAssembly 1.0 with mutable globals, sign extension, saturating
// conversions, multiple values, bulk memory and reference types: what clang,
// rustc, AssemblyScript and Go emit by default, with every instruction of these
// proposals. It refuses SIMD: no toolchain emits it unless told to, and it would
// more than double the instructions that have to be validated, metered and trusted
// in a compiler.
//
// Validation is complete and follows the algorithm in the specification's
// appendix. Time and memory are linear in the module's size: every count is
// compared with the bytes left, or with a limit, before anything is allocated, and
// nothing recurses.
package gate

import "bytes"

// Module is a module that the gate has accepted. Only Check makes one. It keeps its
// own copy of the bytes, so they are those that were checked. It is read-only.
type Module struct {
	wasm     []byte
	sections []Section
	limits   Limits

	types    []FuncType
	funcs    []uint32 // a type's index by function, imported ones first
	tables   []TableType
	memories []Bounds
	globals  []GlobalType // imported ones first
	elements []ValType    // types of the element segments
	bodies   []Body

	imports                                        []Import // functions only
	importedFuncs, importedTables, importedGlobals int

	declared     []bool // by function: ref.func may take it
	exports      map[string]exportEntry
	dataCount    uint32
	hasDataCount bool
	dataSegments uint32
	locals       int
	mutable      int // globals
	effort       uint64
}

// Check reads a module and returns it, or a *Refusal. It does not keep wasm.
func Check(wasm []byte, limits Limits, contract Contract) (*Module, error) {
	limits = limits.withDefaults()
	r := reader{end: len(wasm), section: sectionNone, fn: -1}
	if !r.cap(0, RuleModuleBytes, "has %d bytes", uint64(len(wasm)), limits.ModuleBytes) {
		return nil, r.err
	}
	m := &Module{wasm: bytes.Clone(wasm), limits: limits, exports: map[string]exportEntry{}}
	r.wasm = m.wasm
	if !bytes.HasPrefix(wasm, []byte("\x00asm\x01\x00\x00\x00")) {
		r.refuse(0, RuleHeader, "is not a WebAssembly module of version 1")
		return nil, r.err
	}
	r.pos = 8
	if m.sections = r.findSections(); r.err != nil {
		return nil, r.err
	}
	if err := m.read(limits, &contract); err != nil {
		return nil, err
	}
	return m, nil
}

// read reads the sections' contents.
func (m *Module) read(limits Limits, contract *Contract) error {
	for _, s := range m.sections {
		if s.ID == SectionCode {
			m.declare()
		}
		r := reader{wasm: m.wasm, pos: s.Start, end: s.End, section: s.ID.String(), fn: -1}
		r.content(m, s.ID, limits, contract)
		if r.left() > 0 && r.ok() {
			r.refuse(r.pos, RuleSection, "%d bytes follow the section's last entry", r.left())
		}
		if r.err != nil {
			return r.err
		}
	}
	r := reader{wasm: m.wasm, pos: len(m.wasm), end: len(m.wasm), section: sectionNone, fn: -1}
	r.checkCounts(m, contract)
	if r.err != nil {
		return r.err
	}
	return nil
}

func (r *reader) content(m *Module, id SectionID, limits Limits, contract *Contract) {
	switch id {
	case SectionType:
		r.types(m, limits)
	case SectionImport:
		r.imports(m, limits, contract)
	case SectionFunction:
		r.functions(m, limits)
	case SectionTable:
		r.tables(m, limits)
	case SectionMemory:
		r.memories(m, limits)
	case SectionGlobal:
		r.globals(m, limits)
	case SectionExport:
		r.exports(m, limits)
	case SectionStart:
		r.start(m)
	case SectionElement:
		r.elements(m, limits)
	case SectionDataCount:
		m.dataCount, m.hasDataCount = r.u32(), true
	case SectionCode:
		r.bodies(m, limits)
	case SectionData:
		r.data(m, limits)
	}
}

// checkCounts checks what depends on several sections, when all have been read.
func (r *reader) checkCounts(m *Module, contract *Contract) {
	if own := len(m.funcs) - m.importedFuncs; own != len(m.bodies) {
		r.refuse(r.pos, RuleCount, "declares %d functions, has no code", own)
	}
	if m.hasDataCount && m.dataCount != m.dataSegments {
		r.refuse(r.pos, RuleCount, "announces %d data segments, has %d", m.dataCount, m.dataSegments)
	}
	r.checkExports(m, contract)
}
