// Package tenants measures what many tenants cost a host, and how soon a policy
// that is uploaded is in force. It drives the real program through its API.
package tenants

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/e2e/neighbour"
	"idlehost/plugins"
)

var program string

// The first arguments of the processes that attack, by the API, by connections
// or by both, and of what is upstream of them.
const (
	beAssault  = "be-assault"
	beTraffic  = "be-traffic"
	beAct      = "be-act"
	beUpstream = "be-upstream"
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == beAssault:
		err = serveAssault(os.Args[2], os.Args[3])
	case len(os.Args) == 2 && os.Args[1] == beTraffic:
		err = giveWay(func() error { return neighbour.Serve(os.Stdin, os.Stdout) })
	case len(os.Args) == 8 && os.Args[1] == beAct:
		err = giveWay(func() error {
			return serveAct(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6], os.Args[7])
		})
	case len(os.Args) == 2 && os.Args[1] == beUpstream:
		err = giveWay(serveUpstream)
	default:
		os.Exit(run(m))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// giveWay is for processes that stand for other machines.
func giveWay(f func() error) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10); err != nil {
		return err
	}
	return f()
}

// serveUpstream answers until its input ends. It says where.
func serveUpstream() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		s.Close()
	}()
	if err := s.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
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
