package lab

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/tracetest"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestFiguresOfVersion1 plays recordings of version 1 of the format, which has
// a question and its answer in one record: the figures are those that were
// counted while that was the version written. Those of what was recorded never
// change; where a bundled policy decides otherwise than before, -update rewrites
// its own.
func TestFiguresOfVersion1(t *testing.T) {
	var got []*study.Outcome
	for _, c := range []struct {
		file    string
		by      string // whose recording it is taken to be
		others  []string
		worthMs int64
	}{
		{"testdata/adaptive-1.trace", "adaptive", []string{"fixed:2s"}, 2000},
		{"testdata/takenback.trace", "fixed:400ms", []string{"adaptive"}, 120_000},
		{"../trace/testdata/live-1.trace", "adaptive", []string{"fixed:50ms"}, 120_000},
	} {
		cfg := recordedBy(t, c.file, bundled(t, c.by)).config(t)
		cfg.Setting.WorthMs = c.worthMs
		for _, spec := range append([]string{c.by}, c.others...) {
			p, err := Play(t.Context(), cfg, bundled(t, spec), nil)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, &p.Outcome)
		}
		arms, err := PlayRecorded(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range arms {
			got = append(got, &p.Outcome)
		}
	}
	var text []byte
	for _, o := range got {
		o.Name, o.Digest, o.Open, o.Total.Fuel = "", "", nil, 0 // they say nothing of the recording
		line, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	const golden = "testdata/figures-1.json"
	if *update {
		if err := os.WriteFile(golden, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(text, want) {
		t.Errorf("%v; figures\n%s\nwant\n%s", err, text, want)
	}
}

// recordedBy reads a recording, and takes a policy to be the one that decided in
// it.
func recordedBy(t *testing.T, file string, p Policy) *tape {
	t.Helper()
	loaded, err := newEngine(t).Load(t.Context(), engine.Source{Name: p.Name, Wasm: p.Wasm, Params: p.Params})
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	tp := new(tape)
	tp.header, tp.all = tracetest.Read(t, file)
	for i := range tp.all {
		if r := &tp.all[i]; r.Kind == trace.KindPolicy && r.Role == policy.RoleActive {
			r.Name, r.Params = loaded.Digest(), paramLines(p.Params)
		}
	}
	return tp
}
