// Package tenants measures what many tenants cost a host, and how soon a policy
// that is uploaded is in force. It drives the real program through its API.
package tenants

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"

	"idlehost/host/e2e/hosttest"
	"idlehost/plugins"
)

var program string

// beAssault is the first argument of the process that attacks.
const beAssault = "be-assault"

func TestMain(m *testing.M) {
	if len(os.Args) != 4 || os.Args[1] != beAssault {
		os.Exit(run(m))
	}
	if err := serveAssault(os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
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
