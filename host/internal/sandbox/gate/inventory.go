package gate

import (
	"cmp"
	"maps"
	"slices"
)

// Item is an export of a module.
type Item struct {
	Name string   // UTF-8, otherwise anything
	Kind string   // "function", "table", "memory", "global"
	Type FuncType // of a function
}

// Imports returns the functions that the module imports, in order.
func (m *Module) Imports() []Import { return slices.Clone(m.imports) }

// Exports returns what the module exports, in order.
func (m *Module) Exports() []Item {
	names := slices.SortedFunc(maps.Keys(m.exports), func(a, b string) int {
		return cmp.Compare(m.exports[a].at, m.exports[b].at)
	})
	items := make([]Item, 0, len(names))
	for _, name := range names {
		e := m.exports[name]
		item := Item{Name: name, Kind: kindName(e.kind)}
		if e.kind == kindFunc {
			item.Type = m.TypeOf(int(e.index))
		}
		items = append(items, item)
	}
	return items
}

// Limits returns the limits that the module was checked with. No field is zero.
func (m *Module) Limits() Limits { return m.limits }
