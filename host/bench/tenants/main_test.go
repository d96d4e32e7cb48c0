// Package tenants measures what many tenants cost a host, and how soon a policy
// that is uploaded is in force. It drives the real program through its API.
package tenants

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"testing"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/e2e/neighbour"
	"idlehost/plugins"
)

var program string

// The first arguments of the processes that attack: by the API, and by
// connections.
const (
	beAssault = "be-assault"
	beTraffic = "be-traffic"
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == beAssault:
		err = serveAssault(os.Args[2], os.Args[3])
	case len(os.Args) == 2 && os.Args[1] == beTraffic:
		err = serveTraffic()
	default:
		os.Exit(run(m))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveTraffic stands for clients on other machines, so it gives way to all
// others.
func serveTraffic() error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10); err != nil {
		return err
	}
	return neighbour.Serve(os.Stdin, os.Stdout)
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tenants")
	if err == nil {
		defer os.RemoveAll(dir)
		program, err = hosttest.Build(dir, "idlehost/host")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// variant returns a bundled policy with a custom section that tells it from its
// like: another digest, the same code.
func variant(tb testing.TB, name string, n int) []byte {
	wasm, ok := plugins.Lookup(name)
	if !ok {
		tb.Fatalf("no bundled policy is called %s", name)
	}
	return withSection(wasm, binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

// withSection appends a custom section called "n" with that content, of fewer
// than 100 bytes.
func withSection(wasm, content []byte) []byte {
	body := append([]byte{1, 'n'}, content...)
	return append(append(bytes.Clone(wasm), 0, byte(len(body))), body...)
}
