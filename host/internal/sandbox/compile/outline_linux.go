package compile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"idlehost/host/internal/sandbox/outline"
)

// canLink reports whether a file in the folder of code can have two names.
func (c *childCompiler) canLink() bool {
	probe := filepath.Join(c.code, c.sub, c.probe)
	err := os.Link(probe, probe+"-link")
	return errors.Join(err, os.Remove(probe+"-link")) == nil
}

// linkOutline gives the code of o, which is on loan, a second name: that of the code
// of the module's outline.
func (c *childCompiler) linkOutline(m *result, o Order) error {
	if c.namer == nil || o.Stoppable {
		return nil
	}
	wasm, err := outline.Of(o.Wasm)
	if err != nil {
		return nil // it has none, and whoever loads it knows
	}
	name := c.namer.name(wasm, false)
	err = c.root.Link(c.codePath(m.name), c.codePath(name))
	if err == nil || errors.Is(err, fs.ErrExist) {
		m.outlined = name
		return nil
	}
	c.discard(m.name)
	return err
}
