// Package tracetest reads recordings in tests.
package tracetest

import (
	"errors"
	"io"
	"os"
	"testing"

	"idlehost/host/internal/trace"
)

// Read returns all of a recording. It fails the test for a file that is damaged,
// and passes over an end that is torn off.
func Read(t testing.TB, name string) (h trace.Header, all []trace.Record) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := trace.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var rec trace.Record
		switch err := r.Next(&rec); {
		case errors.Is(err, io.EOF):
			return r.Header(), all
		case err != nil:
			t.Fatal(err)
		}
		rec.Own()
		all = append(all, rec)
	}
}
