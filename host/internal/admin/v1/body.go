package v1

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"time"

	"idlehost/host/internal/api"
)

// maxJSON is the length of the longest JSON body, in bytes.
const maxJSON = 64 << 10

// stall is how long a sender may pause within a body.
const stall = 5 * time.Second

// sends reports whether the request may have a body at all.
func (c *call) sends() bool {
	return c.r.Body != nil && c.r.Body != http.NoBody && c.r.ContentLength != 0
}

// body reads the body, which must be of that media type and no longer than
// most. A sender that waits to be asked (Expect: 100-continue) is asked only
// if it can be right, and a slow one is not waited for.
func (c *call) body(kind string, most int) ([]byte, error) {
	if err := c.carries(kind); err != nil {
		return nil, err
	}
	if c.r.ContentLength > int64(most) {
		return nil, tooLarge(most)
	}
	size := int(c.r.ContentLength)
	if size < 0 {
		size = most
	}
	control := http.NewResponseController(c.w)
	body := &bodyReader{control: control, body: http.MaxBytesReader(c.w, c.r.Body, int64(most)), end: time.Now().Add(allowance(size))}
	// Of a length that is announced, the buffer need not grow step by step.
	buffer := bytes.NewBuffer(make([]byte, 0, max(int(c.r.ContentLength), 0)+bytes.MinRead))
	_, err := buffer.ReadFrom(body)
	data := buffer.Bytes()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(most)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, api.NewProblem(api.KindTimeout, "want %d KiB per second, and no pause longer than %s", slowest>>10, stall)
	case err != nil:
		return nil, api.NewProblem(api.KindInvalid, "the body breaks off")
	}
	_ = control.SetReadDeadline(time.Time{})
	c.read = true
	return data, nil
}

// How long a sender may take to notice that it has been answered, and how much
// of what it sends meanwhile is let in.
const (
	lingering = 500 * time.Millisecond
	discarded = 256 << 10
)

// linger gives the sender of a body that was not read time for the answer.
// HTTP/2 streams are reset behind it, upon which curl before 8.0 throws away
// what it has not looked at, although it must not (RFC 9113 section 8.1). For
// HTTP/1 net/http does the same.
func (c *call) linger() {
	if c.read || !c.sends() || c.r.ProtoMajor < 2 {
		return
	}
	control, end := http.NewResponseController(c.w), time.Now().Add(lingering)
	_ = control.Flush()
	_ = control.SetReadDeadline(end)
	if n, _ := io.Copy(io.Discard, io.LimitReader(c.r.Body, discarded)); n < discarded {
		return // that was all of it, or the sender has gone or pauses
	}
	wait := time.NewTimer(time.Until(end))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-c.ctx().Done():
	}
}

// carries looks at how the body is labelled.
func (c *call) carries(kind string) error {
	if coding := c.r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return api.NewProblem(api.KindMediaType, "the body has a Content-Encoding, and none is understood")
	}
	got, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || got != kind {
		return api.NewProblem(api.KindMediaType, "want Content-Type: %s", kind)
	}
	if charset := params["charset"]; charset != "" && charset != "utf-8" && charset != "UTF-8" {
		return api.NewProblem(api.KindMediaType, "want UTF-8")
	}
	return nil
}

func tooLarge(most int) error {
	return api.NewProblem(api.KindTooLarge, "the body is longer than %d bytes", most)
}

// bodyReader reads a body by deadlines: one for the next byte, one for the last.
type bodyReader struct {
	control *http.ResponseController
	body    io.Reader
	end     time.Time
}

func (p *bodyReader) Read(b []byte) (int, error) {
	next := time.Now().Add(stall)
	if p.end.Before(next) {
		next = p.end
	}
	// Recorders of tests have no deadlines.
	_ = p.control.SetReadDeadline(next)
	return p.body.Read(b)
}
