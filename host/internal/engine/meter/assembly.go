package meter

import (
	"encoding/binary"

	"idlehost/host/internal/engine/gate"
)

// assembly puts a metered module together.
type assembly struct {
	module *gate.Module
	init   int64
	writer writer
	plan   plan
	report Report
}

func (a *assembly) write() []byte {
	wasm := a.module.Bytes()
	out := append(make([]byte, 0, len(wasm)*3/2), wasm[:8]...)
	sections := a.module.Sections()
	// The two sections that grow exist in the end, in their places.
	for _, id := range []gate.SectionID{gate.SectionGlobal, gate.SectionExport} {
		sections = insert(sections, id)
	}
	for _, s := range sections {
		out = append(out, byte(s.ID))
		content := a.content(s)
		out = append(binary.AppendUvarint(out, uint64(len(content))), content...)
	}
	return out
}

// insert adds an empty section where there is none.
func insert(sections []gate.Section, id gate.SectionID) []gate.Section {
	at := 0
	for at < len(sections) && sections[at].ID.Rank() < id.Rank() {
		at++
	}
	if at < len(sections) && sections[at].ID == id {
		return sections
	}
	tail := append([]gate.Section{{ID: id}}, sections[at:]...)
	return append(sections[:at:at], tail...)
}

func (a *assembly) content(s gate.Section) []byte {
	original := a.module.Bytes()[s.Start:s.End]
	switch s.ID {
	case gate.SectionTable:
		return a.tables()
	case gate.SectionGlobal:
		fuel := []byte{byte(gate.I64), 1, opI64Const}
		return grow(original, append(signed(fuel, a.init), opEnd))
	case gate.SectionExport:
		return grow(original, append(append(name(nil, Global), 3), a.writer.fuel...))
	case gate.SectionCode:
		return a.code(original)
	}
	return original
}

// grow appends an entry to a section's vector.
func grow(original, entry []byte) []byte {
	n, size := binary.Uvarint(original)
	out := binary.AppendUvarint(make([]byte, 0, len(original)+len(entry)+1), n+1)
	return append(append(out, original[max(size, 0):]...), entry...)
}

// tables writes the module's own tables with their maxima lowered.
func (a *assembly) tables() []byte {
	own := a.module.Tables()
	own = own[a.module.ImportedTables():]
	out := binary.AppendUvarint(nil, uint64(len(own)))
	most := a.module.TableEntries()
	for _, t := range own {
		if !t.HasMax {
			t.Max = most
		}
		out = append(out, byte(t.Type), 1)
		out = binary.AppendUvarint(out, uint64(t.Min))
		out = binary.AppendUvarint(out, uint64(max(t.Min, min(t.Max, most))))
	}
	return out
}

func (a *assembly) code(original []byte) []byte {
	bodies := a.module.Bodies()
	wasm := a.module.Bytes()
	out := binary.AppendUvarint(make([]byte, 0, len(original)*3/2), uint64(len(bodies)))
	var buf []byte
	for _, b := range bodies {
		a.plan.begin(b.Code, frameCost(b))
		a.module.Each(b, a.plan.add)
		a.plan.settle()
		buf = a.writer.body(buf[:0], wasm, b, &a.plan)
		out = append(binary.AppendUvarint(out, uint64(len(buf))), buf...)
		a.count()
	}
	return out
}

func (a *assembly) count() {
	a.report.Functions++
	for _, ins := range a.plan.insertions {
		if ins.region == none || a.plan.regions[ins.region].cost+a.plan.regions[ins.region].ahead > 0 {
			a.report.Charges++
		}
	}
}

// frameCost is what entering a function costs: it bounds the stack. wazero
// gives every value that it has to keep a slot of its own, so that a frame
// grows with the code, and with what blocks carry of locals.
func frameCost(b gate.Body) int64 {
	return 4 + int64(b.End-b.Start)>>5 + int64(b.Weight.Blocks)*int64(min(b.Locals, b.Weight.Instrs))>>7
}
