package plugins_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"idlehost/plugins"
)

// compiler built the committed modules. Another version may well build others.
const compiler = "14.0.6"

func TestCommittedModulesAreRebuilt(t *testing.T) {
	for _, tool := range []string{"clang", "wasm-ld"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: the committed modules are taken as they are", tool)
		}
	}
	out, err := exec.Command("clang", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := string(regexp.MustCompile(`\d+\.\d+\.\d+`).Find(out))
	if version != compiler {
		t.Skipf("clang %s is installed; the committed modules come from %s and can only be compared with that", version, compiler)
	}
	// Built from a copy elsewhere: no path may find its way in.
	root := filepath.Join(t.TempDir(), "elsewhere")
	for _, dir := range []string{"plugins", "sdk/c"} {
		if err := os.CopyFS(filepath.Join(root, dir), os.DirFS(filepath.Join("..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("sh", filepath.Join(root, "plugins", "build.sh"), "-o", root)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	for name := range everyPolicy {
		got, err := os.ReadFile(filepath.Join(root, name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := plugins.Lookup(name); !bytes.Equal(got, want) {
			t.Errorf("%s.wasm (%d bytes) is not what its source builds (%d bytes): run plugins/build.sh", name, len(want), len(got))
		}
	}
}
