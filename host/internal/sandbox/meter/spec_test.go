package meter

import (
	"context"
	"os"
	"testing"

	"idlehost/host/internal/sandbox/gate/gatetest"
	"idlehost/host/longtest"

	"idlehost/host/internal/sandbox/gate"
)

// tally counts what of the suite was run.
type tally struct{ modules, refused, calls, skipped int }

// TestSpecSuite runs the specification's suite on metered modules: with ample
// fuel, every call returns, traps and writes what it does without metering.
func TestSpecSuite(t *testing.T) {
	scripts, err := gatetest.Suite("v2")
	if err != nil {
		t.Skip(err)
	}
	host, err := gatetest.Host()
	if err != nil {
		t.Skip(err)
	}
	var n tally
	part := longtest.Count(t, len(scripts)/4, len(scripts), "scripts")
	first := int(longtest.Seed(t) % uint64(len(scripts)))
	for i := range part {
		s := scripts[(first+i*len(scripts)/part)%len(scripts)]
		t.Run(s.Name, func(t *testing.T) {
			w := newWorlds(t)
			for i := range w {
				if _, err := w[i].Instantiate(context.Background(), host); err != nil {
					t.Fatal(err)
				}
			}
			n.run(t, w, s.Commands)
		})
	}
	t.Logf("%d modules run metered and plain, %d refused by the gate (SIMD), %d calls alike, %d not made", n.modules, n.refused, n.calls, n.skipped)
	if part == len(scripts) && (n.modules < 1200 || n.calls < 24000) {
		t.Errorf("only %d modules and %d calls", n.modules, n.calls)
	}
}

func (n *tally) run(t *testing.T, w worlds, commands []gatetest.Command) {
	var last *pair
	named := map[string]*pair{}
	for i := range commands {
		c := &commands[i]
		switch c.Type {
		case "module", "assert_uninstantiable", "assert_unlinkable":
			as := ""
			if i+1 < len(commands) && commands[i+1].Type == "register" {
				as = commands[i+1].As
			}
			p := n.module(t, w, c, as)
			if c.Type == "module" {
				last = p
				if c.Name != "" {
					named[c.Name] = p
				}
			}
		case "assert_return", "assert_trap", "action", "assert_exhaustion":
			p := last
			if c.Action.Module != "" {
				p = named[c.Action.Module]
			}
			n.invoke(t, p, c)
		}
	}
}

func (n *tally) module(t *testing.T, w worlds, c *gatetest.Command, as string) *pair {
	t.Helper()
	wasm, err := os.ReadFile(c.Filename)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Check(wasm, wide(), gate.Contract{AnyImport: true}); err != nil {
		n.refused++
		return nil
	}
	p, err := w.instantiate(t, wasm, as)
	if err != nil && c.Type != "assert_unlinkable" { // says which maximum does not fit, and the meter lowers maxima
		t.Errorf("line %d: %v", c.Line, err)
	}
	if p.plain == nil || p.metered == nil {
		return nil
	}
	n.modules++
	return &p
}

func (n *tally) invoke(t *testing.T, p *pair, c *gatetest.Command) {
	t.Helper()
	if p == nil || c.Action.Type != "invoke" {
		n.skipped++
		return
	}
	args := make([]uint64, len(c.Action.Args))
	for i, a := range c.Action.Args {
		var err error
		if args[i], err = a.Bits(); err != nil {
			n.skipped++ // a NaN by name
			return
		}
	}
	n.calls++
	if _, _, err := p.call(c.Action.Field, args...); err != nil {
		t.Errorf("line %d: %v", c.Line, err)
	}
}
