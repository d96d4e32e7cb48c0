package cli

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"idlehost/host/internal/api"
)

// archive is what the fake host records: nothing, but as if.
type archive struct {
	mu  sync.Mutex // guards the following
	rec api.Recording
}

func (a *archive) Recording(_ context.Context, _ string) (*api.Recording, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.rec
	if r.State == "" {
		r.State = api.RecordingOff
	}
	return &r, nil
}

func (a *archive) StartRecording(ctx context.Context, who api.Actor, tenant string, n api.NewRecording) (*api.Recording, error) {
	a.mu.Lock()
	if a.rec.State == api.RecordingOn {
		a.mu.Unlock()
		return nil, api.NewProblem(api.KindConflict, "tenant %s: it is recorded already", tenant)
	}
	a.rec = api.Recording{
		State: api.RecordingOn, By: who.Name, Begun: time.Now(), Sample: n.Sample, MaxBytes: n.MaxBytes,
		File: tenant + "-1.trace", Records: 12345, Dropped: 1, Bytes: 8,
	}
	a.mu.Unlock()
	return a.Recording(ctx, tenant)
}

func (a *archive) StopRecording(context.Context, api.Actor, string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rec.State == "" {
		return api.NewProblem(api.KindNotFound, "there is no recording")
	}
	a.rec.State = api.RecordingOver
	return nil
}

func (a *archive) RecordingFile(context.Context, string) (*api.RecordingFile, error) {
	return &api.RecordingFile{ReadCloser: io.NopCloser(strings.NewReader("recorded")), Name: "acme-1.trace", Size: 8}, nil
}
