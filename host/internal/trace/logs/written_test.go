package logs

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"idlehost/host/internal/trace"
)

// TestARecordingTellsWhatTheLogDoes: replaying a log, and what was imported
// from it with the same key, are the same.
func TestARecordingTellsWhatTheLogDoes(t *testing.T) {
	for _, name := range []string{"cran", "wordpress", "dash", "dns"} {
		s, err := Open("testdata/"+name+".tsv", Config{Host: "host v1"})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var file bytes.Buffer
		to, err := trace.NewWriter(&file, s.Header(), trace.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var all []trace.Record
		for {
			var r trace.Record
			if err := s.Next(&r); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if err := to.Write(&r); err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		if err := to.Flush(); err != nil {
			t.Fatal(err)
		}
		from, err := trace.NewReader(&file)
		if err != nil || from.Header() != s.Header() {
			t.Fatalf("%s: %+v, %v", name, from.Header(), err)
		}
		for i, want := range all {
			var r trace.Record
			if err := from.Next(&r); err != nil || r != want {
				t.Fatalf("%s: record %d is %+v, %v; want %+v", name, i, r, err, want)
			}
		}
		if err := from.Next(new(trace.Record)); err != io.EOF {
			t.Errorf("%s: after the last: %v", name, err)
		}
	}
}
