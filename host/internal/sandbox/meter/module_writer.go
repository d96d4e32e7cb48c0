package meter

import (
	"encoding/binary"

	"idlehost/host/internal/sandbox/gate"
)

// moduleWriter writes a metered module.
type moduleWriter struct {
	module *gate.Module
	init   int64
	writer codeWriter
	plan   plan
	report Report
	blocks map[string]int // types of blocks by their results
	types  [][]byte       // those of them that are added to the module
}

func (a *moduleWriter) write() []byte {
	wasm := a.module.Bytes()
	frames := a.frames()
	out := append(make([]byte, 0, len(wasm)*3/2), wasm[:8]...)
	sections := a.module.Sections()
	// The two sections that grow exist in the end, in their places.
	for _, id := range []gate.SectionID{gate.SectionGlobal, gate.SectionExport} {
		sections = insert(sections, id)
	}
	for _, s := range sections {
		out = append(out, byte(s.ID))
		content := a.content(s, frames)
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

func (a *moduleWriter) content(s gate.Section, frames []frame) []byte {
	original := a.module.Bytes()[s.Start:s.End]
	switch s.ID {
	case gate.SectionType:
		for _, t := range a.types {
			original = grow(original, t)
		}
	case gate.SectionTable:
		return a.tables()
	case gate.SectionGlobal:
		fuel := []byte{byte(gate.I64), 1, opI64Const}
		stack := []byte{byte(gate.I64), 1, opI64Const}
		return grow(grow(original, append(signed(fuel, a.init), opEnd)), append(signed(stack, Stack), opEnd))
	case gate.SectionExport:
		out := grow(original, append(append(name(nil, Global), 3), a.writer.fuel...))
		return grow(out, append(append(name(nil, StackGlobal), 3), a.writer.stack...))
	case gate.SectionCode:
		return a.code(original, frames)
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
func (a *moduleWriter) tables() []byte {
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

func (a *moduleWriter) code(original []byte, frames []frame) []byte {
	bodies := a.module.Bodies()
	wasm := a.module.Bytes()
	out := binary.AppendUvarint(make([]byte, 0, len(original)*3/2), uint64(len(bodies)))
	var buf []byte
	for i, b := range bodies {
		t := a.module.TypeOf(a.module.ImportedFuncs() + i)
		a.plan.begin(b, len(t.Params), frameCost(t, frames[i].slots))
		a.module.Each(b, a.plan.add)
		a.plan.mergeCharges()
		buf = a.writer.body(buf[:0], wasm, b, &a.plan, frames[i])
		out = append(binary.AppendUvarint(out, uint64(len(buf))), buf...)
		a.count()
	}
	return out
}

func (a *moduleWriter) count() {
	a.report.Functions++
	for _, ins := range a.plan.insertions {
		if ins.isReturn {
			continue
		}
		if ins.region == unreachable || a.plan.regions[ins.region].cost+a.plan.regions[ins.region].ahead > 0 {
			a.report.Charges++
		}
	}
}

// frameCost is what entering a function takes in time: the values that come
// and go, and the part of the stack that is not in the cache.
func frameCost(t gate.FuncType, slots int64) int64 {
	return 4 + int64(len(t.Params)+len(t.Results))>>2 + slots>>6
}
