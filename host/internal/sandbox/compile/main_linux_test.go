package compile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/testnet"
)

// entry is the argument with which the test binary becomes a child.
const entry = "compile-apart"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && handicaps[os.Args[1]] != nil {
		os.Exit(child(os.Args[1]))
	}
	if len(os.Args) == 3 && os.Args[1] == parentEntry {
		os.Exit(parent(os.Args[2]))
	}
	os.Exit(m.Run())
}

// parentEntry is the argument with which the test binary becomes a parent
// that is busy until it is killed.
const parentEntry = "be-a-parent"

func parent(dir string) int {
	compiler, err := New(context.Background(), Config{Argv: []string{os.Args[0], entry}, Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, err = compiler.Compile(context.Background(), endless(500))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// These are entries of children on a machine that is not what it was, or
// should be.
const (
	slowEntry  = "compile-apart-slowly"
	spinEntry  = "compile-apart-beside-much"
	stuckEntry = "compile-apart-never"
	// socketEntry is one that was taken over.
	socketEntry = "compile-apart-and-connect"
)

// handicaps are what meets children of an entry. slow holds for every module,
// late for all but the trial.
var handicaps = map[string]*struct {
	slow func()
	late func(io.Reader) io.Reader
}{
	entry:       {},
	slowEntry:   {slow: func() { debug.SetGCPercent(1) }},
	spinEntry:   {late: func(io.Reader) io.Reader { return spinner{} }},
	socketEntry: {late: func(io.Reader) io.Reader { return socketOpener{} }},
	stuckEntry:  {late: func(io.Reader) io.Reader { return sleeper{} }},
}

// spinner is an input that takes processor time and never comes.
type spinner struct{}

func (spinner) Read([]byte) (int, error) {
	for n := 0; ; {
		n++
	}
}

// sleeper is an input that never comes and takes nothing.
type sleeper struct{}

func (sleeper) Read([]byte) (int, error) {
	for {
		_, _ = unix.Poll(nil, -1)
	}
}

// socketOpener is an input that comes from elsewhere.
type socketOpener struct{}

func (socketOpener) Read([]byte) (int, error) {
	_, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	return 0, err
}

func child(name string) int {
	if err := misbehave(os.Getenv("COMPILE_TEST_CHILD")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	trial := append([]byte{0}, trialModule()...)
	buffered := bufio.NewReaderSize(os.Stdin, 2*len(trial))
	in := io.Reader(buffered)
	h := handicaps[name]
	if h.slow != nil {
		h.slow()
	}
	if head, _ := buffered.Peek(len(trial)); h.late != nil && !bytes.Equal(head, trial) {
		in = h.late(in)
	}
	if err := Child(in, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// misbehave is nothing that a right child does. It is never asked to: the
// environment of a child has no such variable.
func misbehave(how string) error {
	if how == "" {
		return nil
	}
	return errors.New("the environment was inherited")
}

// config is that of a Compiler of the test's own.
func config(t testing.TB) Config {
	t.Helper()
	return Config{Argv: []string{os.Args[0], entry}, Dir: t.TempDir() + "/code"}
}

func open(t testing.TB, cfg Config) *Compiler {
	t.Helper()
	compiler, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := compiler.Close(); err != nil {
			t.Error(err)
		}
	})
	if c := compiler.Capability(); !c.Apart {
		t.Fatal(c)
	}
	return compiler
}

// eventually polls a condition of the world.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	testnet.Eventually(t, what, holds)
}
