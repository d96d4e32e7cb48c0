package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"idlehost/host/internal/api"
)

// Recording tells of what is written down of a tenant's connections.
func (c *Client) Recording(ctx context.Context, tenant string) (*api.Recording, error) {
	return get[api.Recording](ctx, c, nil, "tenants", tenant, "recording")
}

// StartRecording begins one.
func (c *Client) StartRecording(ctx context.Context, tenant string, n api.NewRecording) (*api.Recording, error) {
	q, err := call{method: http.MethodPost, path: []string{"tenants", tenant, "recording"}}.withJSON(n)
	if err != nil {
		return nil, err
	}
	r := &api.Recording{}
	_, _, err = c.read(ctx, q, r)
	return answer(r, err)
}

// StopRecording ends it.
func (c *Client) StopRecording(ctx context.Context, tenant string) error {
	_, _, err := c.read(ctx, call{method: http.MethodDelete, path: []string{"tenants", tenant, "recording"}}, nil)
	return err
}

// RecordingFile writes to w what the host has of the tenant's last recording, as
// far as that goes now, and returns how many bytes that is. ctx bounds it.
func (c *Client) RecordingFile(ctx context.Context, tenant string, w io.Writer) (int64, error) {
	res, err := c.send(ctx, call{
		method: http.MethodGet, path: []string{"tenants", tenant, "recording", "file"}, accept: api.RecordingType, repeat: true,
	})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if mediaType(res) != api.RecordingType {
		return 0, notOurs(res.Request, res, fmt.Sprintf("the answer is %q, not %s", mediaType(res), api.RecordingType))
	}
	n, err := io.Copy(w, res.Body)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, &ConnectError{Server: c.Server(), Err: fmt.Errorf("the recording broke off after %d bytes", n)}
	case err != nil:
		return n, fmt.Errorf("recording: %w", cause(err))
	}
	return n, nil
}
