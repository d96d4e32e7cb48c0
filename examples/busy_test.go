//go:build unix

package examples

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"idlehost/host/longtest"
)

// TestPoliciesInGoAreTakenOnABusyMachine: what else runs on a machine says
// nothing about a policy. Eight loops are beside each check, and beside the start
// of a host with what was compiled for it.
func TestPoliciesInGoAreTakenOnABusyMachine(t *testing.T) {
	longtest.Only(t, "keeps the machine busy for all other tests")
	dir, host := t.TempDir(), host(t)
	files := map[string]string{}
	for _, name := range []string{"hello-go", "adaptive-go"} {
		files[name] = filepath.Join(dir, name+".wasm")
		if err := os.WriteFile(files[name], build(t, name, "go"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	busy(t, 8)
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			env := append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir()) // compiled by nobody before
			check := exec.Command(host, "check", file)
			check.Env = env
			if text, err := check.CombinedOutput(); err != nil || !strings.Contains(string(text), "accepted") {
				t.Errorf("%v\n%s", err, text)
			}
			start := exec.Command(host, "--plugin", file, "--listen", "127.0.0.1:0", "--admin", "off")
			start.Env = env
			if rule := starts(t, start); !strings.HasPrefix(rule, name) {
				t.Errorf("the host starts with policy %s", rule)
			}
		})
	}
}

// busy has so many processes do nothing but take what processor they get, until
// the test ends.
func busy(t *testing.T, n int) {
	t.Helper()
	for range n {
		loop := exec.Command("sh", "-c", "while :; do :; done")
		if err := loop.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = loop.Process.Kill()
			_ = loop.Wait() // it was killed
		})
	}
}

// starts runs a host until it says what policy decides, and returns that.
func starts(t *testing.T, cmd *exec.Cmd) (rule string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &strings.Builder{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(out); rule == "" && s.Scan(); {
		_, rule, _ = strings.Cut(s.Text(), ", policy ")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, cmd.Stderr)
	}
	return rule
}
