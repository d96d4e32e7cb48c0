// Package e2e holds tests in which real clients and real servers meet through
// the real program, over the loopback. What needs a tool that is not installed
// is skipped, with a message.
package e2e

import (
	"fmt"
	"os"
	"path/filepath"
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
	commands = program
	if len(buildFlags) > 0 {
		commands = sync.OnceValues(func() (string, error) {
			return hosttest.Build(filepath.Join(dir, "commands"), "idlehost/host")
		})
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// program builds the host under test, once, and commands the program that the
// client commands are given to: it starts a hundred times, and need not be
// built to look for races.
var program, commands func() (string, error)

// startHost runs the host in front of an upstream.
func startHost(t *testing.T, upstream string, args ...string) *hosttest.Host {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return hosttest.StartHost(t, path, append([]string{"--upstream", upstream}, args...)...)
}
