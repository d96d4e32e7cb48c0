package compile

import (
	"path/filepath"
	"testing"

	"idlehost/host/internal/sandbox/outline"
)

// TestOutlineFindsTheCodeOfItsModule, made just now or kept, for as long as that is
// on loan.
func TestOutlineFindsTheCodeOfItsModule(t *testing.T) {
	compiler := open(t, config(t))
	if !compiler.Outlines() {
		t.Fatal("names are not what they were in another wazero: package outline is of no use")
	}
	o, other := Order{Wasm: plain(5)}, Order{Wasm: plain(6)}
	defer compile(t, compiler, other).Close()
	wasm, err := outline.Of(o.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	for _, cached := range []bool{false, true} {
		c := compile(t, compiler, o)
		if c.Report.Cached != cached {
			t.Errorf("cached: %v", c.Report.Cached)
		}
		before := codeFiles(t, compiler)
		want := ask(t, compiler, o)
		if got := ask(t, compiler, Order{Wasm: wasm}); got != want {
			t.Errorf("cached: %v: the outline answers %#x, the module %#x", cached, got, want)
		}
		if after := codeFiles(t, compiler); after != before {
			t.Errorf("%d files of code, before %d: it was compiled", after, before)
		}
		c.Close()
	}
	if n := codeFiles(t, compiler); n != 2 {
		t.Errorf("%d files of code are left, want two of the other module", n)
	}
}

func codeFiles(t *testing.T, c *Compiler) int {
	t.Helper()
	names, err := filepath.Glob(c.Dir() + "/*/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestLookupThatIsOfNoUse: a name that nothing explains.
func TestLookupThatIsOfNoUse(t *testing.T) {
	if _, ok := findFileNamer(probeModule(), "other"); ok {
		t.Error("is found")
	}
}
