package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/recorder"
	"idlehost/host/internal/space"
)

// Recording tells of a tenant's recording.
func (rs *recordings) Recording(_ context.Context, name string) (*api.Recording, error) {
	m, err := rs.tenantRuntime(name)
	if err != nil {
		return nil, err
	}
	return rs.tell(m), nil
}

// tell describes the recording that goes on, else the last one that was begun
// over the API.
func (rs *recordings) tell(m *tenantRuntime) *api.Recording {
	if t := m.taping.tape.Load(); t != nil && !t.Over() && t.Of(rs.all.Load()) {
		return &api.Recording{State: api.RecordingOn, By: "configuration", Begun: rs.started, Sample: rs.Record.Sample, Dropped: t.Dropped()}
	}
	s := rs.of(m.name)
	if s == nil || s.tenantRuntime != m {
		return &api.Recording{State: api.RecordingOff}
	}
	n := s.Stats()
	r := &api.Recording{
		State: api.RecordingOn, By: s.by, Begun: s.started, Sample: s.sample, MaxBytes: s.size,
		File: filepath.Base(n.File), Records: n.Records, Dropped: n.Dropped, Bytes: n.Bytes,
	}
	if n.Over {
		r.State = api.RecordingOver
	}
	if err := s.Err(); err != nil {
		r.State, r.Error = api.RecordingOver, sayOver(err)
	}
	return r
}

// unknownEnd is what is said of an end that has no reason to be told.
const unknownEnd = "it could not be written: the host's log says why"

// sayOver says why a recording has ended, without the host's paths.
func sayOver(err error) string {
	var full *space.LimitError
	var disk *space.DiskError
	switch {
	case errors.Is(err, recorder.ErrFull):
		return "it has got as large as it may"
	case errors.As(err, &full):
		return full.Error()
	case errors.As(err, &disk):
		return disk.Error()
	case space.Reason(err) != "":
		return "the host's disk takes no more: " + space.Reason(err)
	}
	return unknownEnd
}

// StartRecording begins the recording of a tenant.
func (rs *recordings) StartRecording(_ context.Context, who api.Actor, name string, n api.NewRecording) (*api.Recording, error) {
	m, err := rs.tenantRuntime(name)
	if err != nil {
		return nil, err
	}
	if math.IsNaN(n.Sample) || n.Sample < 0 || n.Sample > 1 {
		return nil, invalid("sample", "%v is not over 0 and up to 1", n.Sample)
	}
	if n.MaxBytes < 0 || n.MaxBytes > 0 && n.MaxBytes < recorder.MinSize {
		return nil, invalid("max_bytes", "%d is less than %d", n.MaxBytes, recorder.MinSize)
	}
	switch err := rs.begin(m, who.Name, n.Sample, n.MaxBytes); {
	case errors.Is(err, errNoDir):
		return nil, api.NewProblem(api.KindConflict, "%v: set record.dir", err)
	case errors.Is(err, errTaped):
		return nil, api.NewProblem(api.KindConflict, "tenant %s: %v", name, err)
	case err != nil && sayOver(err) != unknownEnd:
		return nil, control.NoRoom(err)
	case err != nil:
		return nil, err
	}
	return rs.tell(m), nil
}

func invalid(field, format string, args ...any) error {
	p := api.NewProblem(api.KindInvalid, format, args...)
	p.Field = field
	return p
}

// StopRecording ends the recording of a tenant.
func (rs *recordings) StopRecording(_ context.Context, who api.Actor, name string) error {
	if _, err := rs.tenantRuntime(name); err != nil {
		return err
	}
	err := rs.stop(name, who.Name)
	if errors.Is(err, errNoTape) {
		return api.NewProblem(api.KindNotFound, "tenant %s: %v", name, err)
	}
	return err
}

// RecordingFile opens the last recording of a tenant that was begun here.
func (rs *recordings) RecordingFile(_ context.Context, name string) (*api.RecordingFile, error) {
	m, err := rs.tenantRuntime(name)
	if err != nil {
		return nil, err
	}
	s := rs.of(name)
	if s == nil || s.tenantRuntime != m {
		return nil, api.NewProblem(api.KindNotFound, "tenant %s: %v", name, errNoTape)
	}
	file := s.Stats().File
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, api.NewProblem(api.KindNotFound, "tenant %s: the file of its recording is gone", name)
	}
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("recording: %w", err), f.Close())
	}
	// Records are written in whole frames, so that what there is can be read.
	return &api.RecordingFile{ReadCloser: f, Name: filepath.Base(file), Size: info.Size()}, nil
}

func (rs *recordings) tenantRuntime(name string) (*tenantRuntime, error) {
	m := rs.tenants.get(name)
	if m == nil {
		return nil, api.NewProblem(api.KindNotFound, "tenant %q", name)
	}
	return m, nil
}

var _ api.Recordings = (*recordings)(nil)
