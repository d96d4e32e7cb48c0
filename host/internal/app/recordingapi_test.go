package app

import (
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"idlehost/host/internal/api"
	"idlehost/host/internal/config"
)

var boss = api.Actor{Operator: true, Name: "boss"}

// kindOf is the kind of problem that an error is.
func kindOf(err error) string {
	var p *api.Problem
	if !errors.As(err, &p) {
		return ""
	}
	return p.Type[len(api.TypePrefix):]
}

func TestRecordingByTheAPI(t *testing.T) {
	dir := t.TempDir()
	r := start(t, func(c *config.Config) { c.Record.Dir, c.Record.Sample = dir, 0.5 })
	rs, ctx := r.recordings, t.Context()
	if got, err := rs.Recording(ctx, "default"); err != nil || got.State != api.RecordingOff {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := rs.RecordingFile(ctx, "default"); kindOf(err) != api.KindNotFound {
		t.Errorf("a file before any recording: %v", err)
	}
	if err := rs.StopRecording(ctx, boss, "default"); kindOf(err) != api.KindNotFound {
		t.Errorf("stopped before any recording: %v", err)
	}
	for _, n := range []api.NewRecording{{Sample: -1}, {Sample: 1.1}, {Sample: math.NaN()}, {MaxBytes: -1}, {MaxBytes: 1000}} {
		if _, err := rs.StartRecording(ctx, boss, "default", n); kindOf(err) != api.KindInvalid {
			t.Errorf("%+v: %v", n, err)
		}
	}
	for _, name := range []string{"", "..", "../default", "nobody"} {
		if _, err := rs.StartRecording(ctx, boss, name, api.NewRecording{}); kindOf(err) != api.KindNotFound {
			t.Errorf("tenant %q: %v", name, err)
		}
	}
	if list, _ := os.ReadDir(dir); len(list) > 0 {
		t.Errorf("there are %v", list)
	}

	got, err := rs.StartRecording(ctx, boss, "default", api.NewRecording{Sample: 1, MaxBytes: 1 << 50})
	if err != nil || got.State != api.RecordingOn || got.By != "boss" || got.Sample != 0.5 || got.MaxBytes != 1<<30 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := rs.StartRecording(ctx, boss, "default", api.NewRecording{}); kindOf(err) != api.KindConflict {
		t.Errorf("begun twice: %v", err)
	}
	f, err := rs.RecordingFile(ctx, "default") // while it goes on
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := rs.StopRecording(ctx, boss, "default"); err != nil {
		t.Fatal(err)
	}
	if got, err = rs.Recording(ctx, "default"); err != nil || got.State != api.RecordingOver || got.Error != "" || got.Records == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if f, err = rs.RecordingFile(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil || int64(len(b)) != f.Size || f.Size != got.Bytes || f.Name != got.File || filepath.Base(f.Name) != f.Name {
		t.Errorf("%d bytes of %s, %v; told of %+v", len(b), f.Name, err, got)
	}
	if err := os.Remove(filepath.Join(dir, f.Name)); err != nil {
		t.Fatal(err)
	}
	if _, err := rs.RecordingFile(ctx, "default"); kindOf(err) != api.KindNotFound {
		t.Errorf("a file that is gone: %v", err)
	}
}

// TestTheConfiguredRecordingIsTheOperators: it may tell of others.
func TestTheConfiguredRecordingIsTheOperators(t *testing.T) {
	r := start(t, func(c *config.Config) { c.Record.File = filepath.Join(t.TempDir(), "all.trace") })
	ctx := t.Context()
	res, err := http.Get(r.url(0))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	got, err := r.recordings.Recording(ctx, "default")
	if err != nil || got.State != api.RecordingOn || got.By != "configuration" || got.File != "" || got.Records != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := r.recordings.RecordingFile(ctx, "default"); kindOf(err) != api.KindNotFound {
		t.Errorf("file: %v", err)
	}
	if _, err := r.recordings.StartRecording(ctx, boss, "default", api.NewRecording{}); kindOf(err) != api.KindConflict {
		t.Errorf("start: %v", err)
	}
	if err := r.recordings.StopRecording(ctx, boss, "default"); kindOf(err) != api.KindNotFound {
		t.Errorf("stop: %v", err)
	}
}
