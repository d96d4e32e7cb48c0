package gate

import (
	"errors"
	"testing"

	"idlehost/host/internal/sandbox/gate/gatetest"
)

// TestEffortDecides: a module is let in up to its effort, and one unit below
// that it is refused, by this rule and with these figures.
func TestEffortDecides(t *testing.T) {
	for _, s := range gatetest.Shapes() {
		wasm := s.Build(1).Bytes()
		m, err := Check(wasm, Limits{}, Contract{})
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		effort := m.Effort()
		if _, err := Check(wasm, Limits{Effort: int(effort)}, Contract{}); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		_, err = Check(wasm, Limits{Effort: int(effort) - 1}, Contract{})
		var r *Refusal
		if !errors.As(err, &r) || r.Rule != RuleEffort || r.Limit != effort-1 || r.Got != effort {
			t.Errorf("%s, one unit less: %v", s.Name, err)
		}
	}
}

// TestEffortOfMerges: what is handed on from one local to another in a loop
// counts, and so does how deep loops are; what is made anew does not.
func TestEffortOfMerges(t *testing.T) {
	effort := func(code ...byte) uint64 {
		t.Helper()
		m, err := Check(fn(code...), Limits{}, Contract{})
		if err != nil {
			t.Fatal(err)
		}
		return m.Effort()
	}
	// fn declares no locals: the values are on the stack, or constants.
	loop := func(n int, inner ...byte) []byte {
		code := append(repeat(n, 0x03, 0x40), inner...)
		return append(code, repeat(n, 0x41, 0, 0x0d, 0, 0x0b)...)
	}
	flat, deep := effort(repeat(50, loop(1)...)...), effort(loop(50)...)
	if deep <= flat {
		t.Errorf("50 loops in a row cost %d, nested %d", flat, deep)
	}
	var m phiCost
	m.begin(100)
	for i := range uint32(100) {
		m.add(&Instr{Op: OpLocalGet, X: i})
	}
	m.openBlock(true, 0, 0)
	m.edges = 2
	none := m.effort()
	m.add(&Instr{Op: 0x41}) // i32.const
	m.add(&Instr{Op: OpLocalSet})
	if m.effort() != none {
		t.Error("a constant counts as handed on")
	}
	m.add(&Instr{Op: OpLocalGet, X: 1})
	m.add(&Instr{Op: OpLocalSet})
	one := m.effort()
	if one <= none {
		t.Errorf("what is handed on costs nothing: %d, %d", none, one)
	}
	m.openBlock(true, 128, 0) // and so is each parameter of a loop
	if m.effort() < 100*one {
		t.Errorf("%d with 128 parameters of a loop, %d without", m.effort(), one)
	}
	for range 1 << 20 {
		m.openBlock(true, 128, 128)
		m.edges += 1 << 30
	}
	if m.effort() != unreachableDistance {
		t.Errorf("effort %d of the largest numbers", m.effort())
	}
}
