package gate

// SectionID is the number of a section.
type SectionID byte

// The sections.
const (
	SectionCustom    SectionID = 0
	SectionType      SectionID = 1
	SectionImport    SectionID = 2
	SectionFunction  SectionID = 3
	SectionTable     SectionID = 4
	SectionMemory    SectionID = 5
	SectionGlobal    SectionID = 6
	SectionExport    SectionID = 7
	SectionStart     SectionID = 8
	SectionElement   SectionID = 9
	SectionCode      SectionID = 10
	SectionData      SectionID = 11
	SectionDataCount SectionID = 12

	sectionTag SectionID = 13
)

// sectionNone is where a Refusal lies outside of any section.
const sectionNone = "module"

// sections lists them in the order in which they must come.
func sections() []SectionID {
	return []SectionID{
		SectionType, SectionImport, SectionFunction, SectionTable, SectionMemory, SectionGlobal,
		SectionExport, SectionStart, SectionElement, SectionDataCount, SectionCode, SectionData,
	}
}

var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global", "export", "start",
	"element", "code", "data", "data count",
}

// String returns the section's name.
func (id SectionID) String() string {
	if int(id) < len(sectionNames) {
		return sectionNames[id]
	}
	return "unknown"
}

// Rank returns the place of a section in the order; -1 for one that is not
// part of it.
func (id SectionID) Rank() int {
	for i, s := range sections() {
		if s == id {
			return i
		}
	}
	return -1
}

// Section is where a section's content lies.
type Section struct {
	ID         SectionID
	Start, End int
}

// findSections finds all sections and checks their order.
func (r *reader) findSections() (list []Section) {
	last := -1
	for r.left() > 0 && r.ok() {
		at := r.pos
		id := SectionID(r.byte())
		size := r.u32()
		from := r.pos
		r.bytes(size)
		if id == SectionCustom || !r.ok() {
			r.custom(from)
			continue
		}
		rank := id.Rank()
		switch {
		case id == sectionTag:
			r.refuse(at, RuleFeature, "uses exceptions: policies are compiled without them")
		case rank < 0:
			r.refuse(at, RuleSection, "section %d does not exist", id)
		case rank == last:
			r.refuse(at, RuleSection, "has two %v sections", id)
		case rank < last:
			r.refuse(at, RuleSection, "%v section comes too late", id)
		}
		last = rank
		list = append(list, Section{id, from, r.pos})
	}
	return list
}

// custom checks that a custom section has a name. Nothing else of it is read.
func (r *reader) custom(from int) {
	if !r.ok() {
		return
	}
	inner := reader{wasm: r.wasm, pos: from, end: r.pos, section: SectionCustom.String(), fn: -1}
	inner.name()
	if inner.err != nil {
		r.err, r.pos = inner.err, r.end
	}
}
