package v1_test

import (
	"context"
	"io"
	"strings"

	"idlehost/host/internal/api"
)

// What the house has recorded.
const recorded = "\x89IDLE and so on"

func (h *house) Recording(_ context.Context, tenant string) (*api.Recording, error) {
	_, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return &api.Recording{State: api.RecordingOn, By: "token op (boss)", Begun: then, Sample: 1, MaxBytes: 1 << 30, File: tenant + ".trace", Bytes: int64(len(recorded))}, nil
}

func (h *house) StartRecording(ctx context.Context, who api.Actor, tenant string, n api.NewRecording) (*api.Recording, error) {
	r, err := h.Recording(ctx, tenant)
	if err != nil {
		return nil, err
	}
	r.By, r.Sample = who.Name, n.Sample
	return r, nil
}

func (h *house) StopRecording(ctx context.Context, _ api.Actor, tenant string) error {
	_, err := h.Recording(ctx, tenant)
	return err
}

func (h *house) RecordingFile(ctx context.Context, tenant string) (*api.RecordingFile, error) {
	r, err := h.Recording(ctx, tenant)
	if err != nil {
		return nil, err
	}
	// It grows while it is read: what is sent is what was there.
	return &api.RecordingFile{ReadCloser: io.NopCloser(strings.NewReader(recorded + "more")), Name: r.File, Size: r.Bytes}, nil
}

var _ api.Recordings = (*house)(nil)
