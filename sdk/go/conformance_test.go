package policy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"idlehost/sdk/abi"
	"idlehost/sdk/tck"
)

// buildGuest compiles a package to a module as an author would.
func buildGuest(t *testing.T, dir string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", dir, err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// A guest with every optional method, built by the go command, obeys the ABI,
// and what its methods say arrives.
func TestGuestConforms(t *testing.T) {
	wasm := buildGuest(t, "testdata/learner")
	tck.Run(t, wasm)

	accept := abi.Event{Kind: uint8(abi.KindAccept), NowMs: 1_700_000_000_000}
	timeout := abi.Event{Kind: uint8(abi.KindTimeout), NowMs: 1_700_000_123_456}
	ended := abi.Event{Kind: uint8(abi.KindClose), BytesIn: 99}
	got, err := tck.Ask(t.Context(), wasm, "base=1000\n", accept, accept, timeout, ended)
	if err != nil {
		t.Fatal(err)
	}
	if want := abi.Verdict(abi.ActionDefault, 0, abi.FlagLeases, 0); got[1] != want {
		t.Errorf("accept = %#x, want %#x", got[1], want)
	}
	if want := abi.Verdict(abi.ActionExtend, 1002, 0, 1); got[2] != want {
		t.Errorf("timeout = %#x, want %#x (reason 1: time.Now is the event's)", got[2], want)
	}
	_, err = tck.Ask(t.Context(), wasm, "base=7\n")
	if err == nil || !strings.Contains(err.Error(), "base=7: want base=1000") {
		t.Errorf("a bad parameter: error %v, want the guest's own words", err)
	}
}
