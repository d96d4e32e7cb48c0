package forge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"idlehost/host/internal/testnet"
)

// entry is the argument with which the test binary becomes a child.
const entry = "compile-apart"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == entry {
		os.Exit(child())
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
	f, err := New(context.Background(), Config{Argv: []string{os.Args[0], entry}, Dir: dir, Wall: time.Minute, CPU: time.Minute})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, err = f.Compile(context.Background(), Order{Wasm: nestedLoops(500, 500)})
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func child() int {
	if err := misbehave(os.Getenv("FORGE_TEST_CHILD")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := Child(os.Stdin, os.Stdout); err != nil {
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

// config is that of a Forge of the test's own.
func config(t testing.TB) Config {
	t.Helper()
	return Config{Argv: []string{os.Args[0], entry}, Dir: t.TempDir() + "/code"}
}

func open(t testing.TB, cfg Config) *Forge {
	t.Helper()
	f, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	if c := f.Capability(); !c.Apart {
		t.Fatal(c)
	}
	return f
}

// eventually polls a condition of the world.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	testnet.Eventually(t, what, holds)
}
