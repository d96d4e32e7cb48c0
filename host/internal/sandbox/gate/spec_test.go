package gate

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/sandbox/gate/gatetest"
)

// wide lets everything in that the format allows, where the specification's
// suite tests more than a policy may ask for.
func wide() Limits {
	return Limits{
		Tables: 64, TableEntries: 1 << 30, MemoryPages: 1 << 16, Locals: 1 << 16, Results: 64,
		Imports: 1024, Targets: 1 << 20, Effort: 1 << 40,
	}
}

// newer lists what the suite of 1.0 calls invalid and what is valid since:
// several values, several tables, and operands of code that is not reached.
func newer() []string {
	return []string{
		"func:493", "func:497", "imports:310", "imports:314", "imports:318", "type:53", "type:57",
		"unreached-invalid:539",
	}
}

// TestSpecSuite: what the specification's suite calls valid is let in, what it
// calls invalid or malformed is refused.
func TestSpecSuite(t *testing.T) {
	for version, exceptions := range map[string][]string{"v1": newer(), "v2": nil} {
		scripts, err := gatetest.Suite(version)
		if err != nil {
			t.Skip(err)
		}
		var n struct{ valid, invalid, simd, excepted int }
		for _, s := range scripts {
			for _, c := range s.Commands {
				if !c.Binary() || !c.Valid() && !c.Invalid() {
					continue
				}
				wasm, err := os.ReadFile(c.Filename)
				if err != nil {
					t.Fatal(err)
				}
				_, err = Check(wasm, wide(), Contract{AnyImport: true})
				var refusal *Refusal
				place := fmt.Sprintf("%s:%d", s.Name, c.Line)
				switch {
				case c.Invalid() && slices.Contains(exceptions, place) && err == nil:
					n.excepted++
				case c.Invalid() && err == nil:
					t.Errorf("%s %s: let in, should be refused: %s", version, place, c.Text)
				case c.Invalid():
					n.invalid++
				case err == nil:
					n.valid++
				case errors.As(err, &refusal) && refusal.Rule == RuleFeature && strings.Contains(refusal.Text, "SIMD"):
					n.simd++
				default:
					t.Errorf("%s %s: refused, should be let in: %v", version, place, err)
				}
			}
		}
		if n.excepted != len(exceptions) {
			t.Errorf("%s: %d of %d exceptions met", version, n.excepted, len(exceptions))
		}
		t.Logf("%s: %d valid modules let in, %d with SIMD refused, %d invalid or malformed refused, %d let in that became valid later",
			version, n.valid, n.simd, n.invalid, n.excepted)
	}
}
