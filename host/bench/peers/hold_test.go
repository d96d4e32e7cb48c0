package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestHoldIsBuiltFromItsSource needs wat2wasm.
func TestHoldIsBuiltFromItsSource(t *testing.T) {
	out := filepath.Join(t.TempDir(), "hold.wasm")
	text, err := exec.Command("wat2wasm", "hold.wat", "-o", out).CombinedOutput()
	if _, none := exec.LookPath("wat2wasm"); none != nil {
		t.Skip(none)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if built, err := os.ReadFile(out); err != nil || !bytes.Equal(built, hold) {
		t.Errorf("hold.wasm is not what hold.wat gives: %v", err)
	}
}

func TestSpendingIsForAMinute(t *testing.T) {
	at := time.Unix(1000, 0)
	before := spending{at, time.Second, 50}
	after := spending{at.Add(30 * time.Second), 3 * time.Second, 80}
	if cpu, asked := after.since(before); cpu != 4*time.Second || asked != 60 {
		t.Errorf("since = %v, %v; want 4s, 60", cpu, asked)
	}
}

func TestSumOf(t *testing.T) {
	const text = "# TYPE m counter\nm{a=\"x\",b=\"y\"} 1\nm{a=\"x\",b=\"z\"} 2.5\nm_other{a=\"x\"} 9\n"
	if sum, err := sumOf(text, "m{", `a="x"`); err != nil || sum != 3.5 {
		t.Errorf("sum = %v, %v; want 3.5", sum, err)
	}
	if sum, err := sumOf("m{a=\"x\"} many\n", "m{"); err == nil {
		t.Errorf("sum = %v", sum)
	}
}

// TestHoldAsks: the host's policy is asked about idle connections, and none is
// ended.
func TestHoldAsks(t *testing.T) {
	t.Parallel()
	p := rehearse(t, "host")
	p.host = theHost(t)
	p.rows, p.holdConns, p.holdTime, p.settle = []string{rowHold}, 20, 6*time.Second, 0
	if err := p.holdStill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(p.records) != 1 {
		t.Fatalf("results: %+v", p.records)
	}
	r := p.records[0]
	if n, _ := r.value(failed); n != 0 {
		t.Errorf("%v of %d connections were lost", n, p.holdConns)
	}
	// In six seconds each connection is due once or twice; later on a machine
	// that is busy.
	if n, _ := r.value(asks); n <= 0 || n > 2*20*10 {
		t.Errorf("%v questions a minute about 20 connections", n)
	}
}
