// Package examples holds what a user copies. Its tests build the policies with
// the very lines of their READMEs, where the tools are installed.
package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"idlehost/host/e2e/hosttest"
	"idlehost/sdk/abi"
	"idlehost/sdk/tck"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = sync.OnceValues(func() (string, error) { return hosttest.Build(dir, "idlehost/host") })
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// program builds the host, once.
var program func() (string, error)

// host returns the path of the program.
func host(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHelloGuests(t *testing.T) {
	for name, compiler := range map[string]func(*testing.T) string{
		"hello-go":             tool("go"),
		"hello-wat":            tool("wat2wasm"),
		"hello-c":              clang,
		"hello-rust":           rustc,
		"hello-assemblyscript": asc,
	} {
		t.Run(name, func(t *testing.T) {
			wasm := build(t, name, compiler(t))
			tck.Run(t, wasm)
			behaves(t, wasm)
		})
	}
}

func TestAdaptiveGuest(t *testing.T) {
	wasm := build(t, "adaptive-go", "go")
	tck.Run(t, wasm)
}

// behaves checks that a hello guest decides as all of them do.
func behaves(t *testing.T, wasm []byte) {
	t.Helper()
	ask := func(p abi.Phase, requests, idle uint32) abi.Event {
		return abi.Event{Kind: uint8(abi.KindTimeout), Phase: uint8(p), Requests: requests, IdleMs: idle}
	}
	events := []abi.Event{
		{Kind: uint8(abi.KindAccept), Phase: uint8(abi.PhaseIdle)},
		ask(abi.PhaseIdle, 9, 5000),
		ask(abi.PhaseIdle, 10, 5000),
		ask(abi.PhaseIdle, 10, 59_999),
		ask(abi.PhaseIdle, 10, 60_000),
		ask(abi.PhaseHeader, 10, 5000),
	}
	want := []int64{
		abi.Verdict(abi.ActionDefault, 0, abi.FlagLeases, 0),
		0,
		abi.Verdict(abi.ActionExtend, 55_000, 0, 0),
		abi.Verdict(abi.ActionExtend, 1, 0, 0),
		0,
		0,
	}
	got, err := tck.Ask(t.Context(), wasm, "", events...)
	if err != nil {
		t.Fatal(err)
	}
	for n := range want {
		if got[n] != want[n] {
			t.Errorf("event %d: verdict %#x, want %#x", n, got[n], want[n])
		}
	}
}

// build runs the line of the example's README that makes a module, with the
// given compiler in place of its first word.
func build(t *testing.T, dir, compiler string) []byte {
	t.Helper()
	line := buildLine(t, dir)
	env, command := splitEnv(strings.Fields(line))
	out := filepath.Join(t.TempDir(), "guest.wasm")
	for n, word := range command {
		if strings.HasSuffix(word, ".wasm") {
			command[n] = out
		}
	}
	cmd := exec.Command(compiler, command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// buildLine finds the command in README.md, or in the script that npm runs.
func buildLine(t *testing.T, dir string) string {
	t.Helper()
	for _, file := range []string{"README.md", "package.json"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if cmd, ok := strings.CutPrefix(line, `"build": "`); ok {
				return strings.TrimSuffix(cmd, `"`)
			}
			if strings.Contains(line, "-o ") && strings.Contains(line, ".wasm") {
				return line
			}
		}
	}
	t.Fatalf("%s: no build line in README.md", dir)
	return ""
}

// splitEnv takes NAME=value words off the front of a command.
func splitEnv(words []string) (env, command []string) {
	n := 0
	for n < len(words) && strings.Contains(words[n], "=") {
		n++
	}
	return words[:n], words[n:]
}

// tool skips the test where a program is not installed.
func tool(name string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("not installed: %s", name)
		}
		return path
	}
}

func clang(t *testing.T) string {
	t.Helper()
	tool("wasm-ld")(t)
	return tool("clang")(t)
}

// rustc finds a compiler that has the target: a rustup toolchain in front of
// the distribution's may lack it.
func rustc(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"rustc", "/usr/bin/rustc"} {
		libs, err := exec.Command(path, "--print", "target-libdir", "--target", "wasm32-unknown-unknown").Output()
		if err != nil {
			continue
		}
		if _, err := os.Stat(strings.TrimSpace(string(libs))); err == nil {
			return path
		}
	}
	t.Skip("not installed: rustc with the target wasm32-unknown-unknown")
	return ""
}

// asc finds the AssemblyScript compiler that npm install has put there.
func asc(t *testing.T) string {
	t.Helper()
	local, err := filepath.Abs("hello-assemblyscript/node_modules/.bin/asc")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(local); err == nil {
		return local
	}
	return tool("asc")(t)
}
