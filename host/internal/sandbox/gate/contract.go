package gate

import (
	"slices"
	"strings"
)

// Contract is the imports and exports that the host and a module agree on.
type Contract struct {
	// Imports lists the functions that a module may import. Nothing else may
	// be imported: a policy brings a memory of its own, or has none.
	Imports []Import
	// Exports lists the functions that the host calls.
	Exports []Export
	// Memory is the name under which the module must export a memory. "": it
	// need not.
	Memory string
	// AnyImport lifts the list of imports, and lets in tables, memories and
	// globals: for modules that are looked at, not run by the host.
	AnyImport bool
}

// Import is a function that a module may import.
type Import struct {
	Module, Name string
	Type         FuncType
}

// Presence says whether an export must, may or must not be there.
type Presence uint8

// The presences.
const (
	Optional Presence = iota
	Required
	Forbidden
)

// Export is a function that a module exports for the host.
type Export struct {
	Name     string
	Presence Presence
	Type     FuncType // ignored where the export is forbidden
	With     string   // another export that must be there beside this one; "": none
	Hint     string   // why it is required or forbidden, for the author
}

// Reserved begins the names that the host gives to what it adds to a module:
// no module may export one.
const Reserved = "idlehost:"

func (t FuncType) equal(u FuncType) bool {
	return slices.Equal(t.Params, u.Params) && slices.Equal(t.Results, u.Results)
}

// find returns the allowed function of a name.
func (c *Contract) find(module, name string) (Import, bool) {
	i := slices.IndexFunc(c.Imports, func(f Import) bool { return f.Module == module && f.Name == name })
	if i < 0 {
		return Import{}, false
	}
	return c.Imports[i], true
}

// allowed lists what may be imported, for a refusal.
func (c *Contract) allowed() string {
	if len(c.Imports) == 0 {
		return "nothing"
	}
	var modules []string
	byModule := map[string][]string{}
	for _, f := range c.Imports {
		if byModule[f.Module] == nil {
			modules = append(modules, f.Module)
		}
		byModule[f.Module] = append(byModule[f.Module], f.Name)
	}
	for i, m := range modules {
		modules[i] = m + " (" + strings.Join(byModule[m], ", ") + ")"
	}
	return strings.Join(modules, ", ")
}
