package gate

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// wide lets everything in that the format allows, where the specification's
// suite tests more than a policy may ask for.
func wide() Limits {
	return Limits{
		Tables: 64, TableEntries: 1 << 30, MemoryPages: 1 << 16, Locals: 1 << 16, Results: 64,
		Imports: 1024, Effort: 1 << 40,
	}
}

// specCommand is a command of the suite's JSON.
type specCommand struct {
	Type       string `json:"type"`
	Line       int    `json:"line"`
	Filename   string `json:"filename"`
	ModuleType string `json:"module_type"`
	Text       string `json:"text"`
}

// specSuite finds the WebAssembly specification's test suite, which comes
// with wazero's sources.
func specSuite(t *testing.T, version string) map[string][]specCommand {
	t.Helper()
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Skip("the module cache cannot be asked: ", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "internal/integration_test/spectest", version, "testdata")
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	suite := map[string][]specCommand{}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var script struct {
			Commands []specCommand `json:"commands"`
		}
		if err := json.Unmarshal(raw, &script); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range script.Commands {
			script.Commands[i].Filename = filepath.Join(dir, script.Commands[i].Filename)
		}
		suite[strings.TrimSuffix(filepath.Base(name), ".json")] = script.Commands
	}
	if len(suite) == 0 {
		t.Skip("the suite is not in the module cache")
	}
	return suite
}

// TestSpecSuite: what the suite calls valid is let in, what it calls invalid
// or malformed is refused.
func TestSpecSuite(t *testing.T) {
	var tally struct{ valid, invalid, simd, exceptions int }
	for name, commands := range specSuite(t, "v2") {
		for _, c := range commands {
			valid := c.Type == "module" || c.Type == "assert_unlinkable" || c.Type == "assert_uninstantiable"
			invalid := c.Type == "assert_invalid" || c.Type == "assert_malformed"
			if !valid && !invalid || c.ModuleType == "text" {
				continue
			}
			wasm, err := os.ReadFile(c.Filename)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Check(wasm, wide(), Contract{AnyImport: true})
			var refusal *Refusal
			switch {
			case invalid && err == nil:
				t.Errorf("%s:%d: let in, should be refused: %s", name, c.Line, c.Text)
			case invalid:
				tally.invalid++
			case err == nil:
				tally.valid++
			case errors.As(err, &refusal) && refusal.Rule == RuleFeature && strings.Contains(refusal.Text, "SIMD"):
				tally.simd++
			default:
				t.Errorf("%s:%d: refused, should be let in: %v", name, c.Line, err)
			}
		}
	}
	t.Logf("%d valid modules let in, %d with SIMD refused, %d invalid or malformed refused", tally.valid, tally.simd, tally.invalid)
}
