package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"idlehost/host/internal/api"
)

// streamType is a stream of JSON values, one a line.
const streamType = "application/x-ndjson"

// maxLine bounds a line of a stream, in bytes.
const maxLine = 64 << 10

// Decisions calls send for every decision of a tenant from now on. It returns
// nil when the server ends the stream (it drains), the error of send, or that
// of ctx.
func (c *Client) Decisions(ctx context.Context, tenant string, send func(api.Decision) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := c.send(ctx, call{
		method: http.MethodGet, path: []string{"tenants", tenant, "decisions"}, accept: streamType, repeat: true,
	})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if t := mediaType(res); t != streamType {
		return notOurs(res.Request, res, fmt.Sprintf("the answer is %q, not %s", t, streamType))
	}
	err = lines(res.Body, func(line []byte) error {
		var d api.Decision
		if err := json.Unmarshal(line, &d); err != nil {
			return notOurs(res.Request, res, fmt.Sprintf("a line of the stream is not a decision: %v", err))
		}
		return send(d)
	})
	var broken *brokenError
	switch {
	case errors.As(err, &broken) && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &broken):
		return &ConnectError{Server: c.Server(), Err: fmt.Errorf("the stream broke off: %w", cause(broken.err))}
	}
	return err
}

// brokenError is an error of reading, not of the reader.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }

// lines calls f for every line that is not empty: those keep the stream alive.
func lines(r io.Reader, f func(line []byte) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4<<10), maxLine)
	for s.Scan() {
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := f(line); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return &brokenError{err: err}
	}
	return nil
}
