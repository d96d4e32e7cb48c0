package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"idlehost/host/internal/api"
)

// call is one request of the API.
type call struct {
	method string
	path   []string // below api.Prefix, not escaped
	query  url.Values
	pre    api.Precondition
	header map[string]string
	body   []byte
	kind   string // media type of body; empty: there is none
	accept string // media type; empty: JSON
	// repeat says that sending it twice does what sending it once does.
	repeat bool
	// wait bounds the call with all its attempts, and the reading of the
	// answer; 0: callWait.
	wait time.Duration
	// sent is told how much of the body has been sent; nil: nobody asks.
	sent func(n int)
}

// callWait bounds a request that is not an upload or a stream.
const callWait = time.Minute

const jsonType = "application/json"

// withJSON gives the call a body.
func (q call) withJSON(v any) (call, error) {
	var err error
	q.kind = jsonType
	q.body, err = json.Marshal(v)
	return q, err
}

// request builds the request. ctx bounds it.
func (c *Client) request(ctx context.Context, q call) (*http.Request, error) {
	u := *c.server
	escaped := strings.Builder{}
	escaped.WriteString(u.EscapedPath() + api.Prefix)
	for _, s := range q.path {
		if s == "" || s == "." || s == ".." {
			return nil, fmt.Errorf("%q is not a name", s)
		}
		escaped.WriteString("/" + url.PathEscape(s))
	}
	u.Path += api.Prefix + "/" + strings.Join(q.path, "/")
	u.RawPath, u.RawQuery = escaped.String(), q.query.Encode()
	r, err := http.NewRequestWithContext(ctx, q.method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if q.kind != "" {
		r.GetBody = func() (io.ReadCloser, error) {
			return &upload{Reader: bytes.NewReader(q.body), sent: q.sent}, nil
		}
		r.Body, _ = r.GetBody()
		r.ContentLength = int64(len(q.body))
		r.Header.Set("Content-Type", q.kind)
	}
	c.dress(r, q)
	return r, nil
}

// dress sets the fields that say who asks for what.
func (c *Client) dress(r *http.Request, q call) {
	accept := q.accept
	if accept == "" {
		accept = jsonType
	}
	r.Header.Set("Accept", accept+", "+api.ProblemType)
	r.Header.Set("User-Agent", "idlehost-client")
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if q.pre.Match != "" {
		r.Header.Set("If-Match", q.pre.Match)
	}
	if q.pre.Absent {
		r.Header.Set("If-None-Match", "*")
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
}

// upload counts what of a body has been read to be sent.
type upload struct {
	*bytes.Reader
	sent func(n int)
}

func (u *upload) Read(b []byte) (int, error) {
	n, err := u.Reader.Read(b)
	if u.sent != nil {
		u.sent(int(u.Size()) - u.Len())
	}
	return n, err
}

// WriteTo is not promoted: a body that writes itself would go at once, and
// nobody could see it go.
func (u *upload) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{u})
}

func (u *upload) Close() error { return nil }
