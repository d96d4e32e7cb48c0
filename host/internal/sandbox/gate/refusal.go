package gate

import "fmt"

// Refusal is the error that says why the gate refused a module.
type Refusal struct {
	Offset  int64  // of the byte at fault, from the start of the module
	Section string // the section it lies in; "module" outside of any
	Func    int    // index of the function it lies in, imports counted first; -1: in none
	Rule    Rule
	Limit   uint64 // what a cap allows; 0 where the rule is not a cap
	Got     uint64 // what the module wants of it
	Text    string // what is wrong, in words
}

// Error returns one line for the author of the module.
func (r *Refusal) Error() string {
	where := fmt.Sprintf("%s section at offset %#x", r.Section, r.Offset)
	switch {
	case r.Func >= 0:
		where = fmt.Sprintf("function %d at offset %#x", r.Func, r.Offset)
	case r.Section == sectionNone:
		where = fmt.Sprintf("module at offset %#x", r.Offset)
	}
	if r.Limit > 0 {
		return fmt.Sprintf("%s: %s; the limit is %d", where, r.Text, r.Limit)
	}
	return where + ": " + r.Text
}
