// Package e2e holds tests in which real clients and real servers meet through
// the real program, over the loopback. What needs a tool that is not installed
// is skipped, with a message.
package e2e

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"idlehost/host/e2e/hosttest"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = sync.OnceValues(func() (string, error) {
		return hosttest.Build(dir, "idlehost/host", buildFlags...)
	})
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// program builds the host under test, once.
var program func() (string, error)

// startHost runs the host in front of an upstream.
func startHost(t *testing.T, upstream string, args ...string) *hosttest.Host {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return hosttest.StartHost(t, path, append([]string{"--upstream", upstream}, args...)...)
}
