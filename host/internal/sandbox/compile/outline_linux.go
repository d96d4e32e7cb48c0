package compile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"idlehost/host/internal/sandbox/outline"
)

// links reports whether a file in the folder of code can have two names.
func (c *childCompiler) links() bool {
	probe := filepath.Join(c.code, c.sub, c.probe)
	err := os.Link(probe, probe+"-link")
	return errors.Join(err, os.Remove(probe+"-link")) == nil
}

// link has the code of o, which is on loan, be that of the module's outline, too.
func (c *childCompiler) link(m *made, o Order) error {
	if c.lookup == nil || o.Stoppable {
		return nil
	}
	wasm, err := outline.Of(o.Wasm)
	if err != nil {
		return nil // it has none, and whoever loads it knows
	}
	name := c.lookup.name(wasm, false)
	err = c.root.Link(c.loan(m.name), c.loan(name))
	if err == nil || errors.Is(err, fs.ErrExist) {
		m.outlined = name
		return nil
	}
	c.discard(m.name)
	return err
}
