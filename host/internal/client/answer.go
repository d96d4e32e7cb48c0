package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"idlehost/host/internal/api"
)

// How much of an answer is read, in bytes.
const (
	maxJSON    = 32 << 20 // a page of a thousand tenants with a hundred hosts each
	maxModule  = 64 << 20
	maxProblem = 1 << 20
	maxText    = 200 // of an answer that is none of the API's
)

var errTooLong = errors.New("is longer than any answer of the API")

// read makes a call and decodes its answer into out; nil: there is none.
func (c *Client) read(ctx context.Context, q call, out any) (http.Header, int, error) {
	body, res, err := c.fetch(ctx, q, maxJSON, jsonType)
	if err != nil {
		return nil, 0, err
	}
	if out == nil {
		return res.Header, res.StatusCode, nil
	}
	if err := decode(body, out); err != nil {
		return nil, 0, notOurs(res.Request, res, "the answer "+err.Error())
	}
	return res.Header, res.StatusCode, nil
}

// fetch makes a call and reads its answer, which has that media type unless
// it is empty.
func (c *Client) fetch(ctx context.Context, q call, most int, kind string) ([]byte, *http.Response, error) {
	wait := q.wait
	if wait == 0 {
		wait = callWait
	}
	bounded, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("no answer from %s within %s", c.Server(), wait))
	defer cancel()
	res, err := c.send(bounded, q)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := readAll(res.Body, most)
	switch {
	case bounded.Err() != nil:
		return nil, nil, context.Cause(bounded)
	case errors.Is(err, errTooLong):
		return nil, nil, notOurs(res.Request, res, "the answer "+err.Error())
	case err != nil:
		return nil, nil, &ConnectError{Server: c.Server(), Err: fmt.Errorf("the answer broke off: %w", cause(err))}
	case len(body) > 0 && mediaType(res) != kind:
		return nil, nil, notOurs(res.Request, res, fmt.Sprintf("the answer is %q, not %s", mediaType(res), kind))
	}
	return body, res, nil
}

// readAll reads at most so many bytes.
func readAll(r io.Reader, most int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err == nil && len(body) > most {
		err = errTooLong
	}
	return body, err
}

// decode reads one JSON value. Fields that this client does not know are those
// of a newer server.
func decode(body []byte, out any) error {
	if len(body) == 0 {
		return errors.New("is empty")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(out); err != nil {
		return fmt.Errorf("is not what the API answers: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("goes on behind its end")
	}
	return nil
}

// failure makes an error of an answer that is no success: a problem, if that
// is what was sent.
func failure(r *http.Request, res *http.Response) error {
	body, err := readAll(res.Body, maxProblem)
	p := &api.Problem{}
	if err == nil && mediaType(res) == api.ProblemType && json.Unmarshal(body, p) == nil {
		p.Status, p.RetryAfter = res.StatusCode, retryAfter(res.Header)
		if p.Title == "" {
			p.Title = http.StatusText(p.Status)
		}
		return p
	}
	if res.StatusCode/100 == 3 {
		return notOurs(r, res, "the server wants to be asked elsewhere: "+res.Header.Get("Location"))
	}
	text := http.StatusText(res.StatusCode)
	if t := mediaType(res); t == "text/plain" || t == "" && len(body) > 0 {
		text = excerpt(body)
	}
	if wait := retryAfter(res.Header); wait > 0 { // a proxy between says "later"
		return &api.Problem{Type: "about:blank", Title: text, Status: res.StatusCode, RetryAfter: wait}
	}
	return notOurs(r, res, text)
}

func notOurs(r *http.Request, res *http.Response, text string) error {
	return &AnswerError{Request: r.Method + " " + r.URL.Redacted(), Status: res.StatusCode, Text: text}
}

func mediaType(res *http.Response) string {
	t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// excerpt returns the beginning of a text, on one line.
func excerpt(body []byte) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), maxText)]), "")), " ")
	if len(body) > maxText {
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
		text += "..."
	}
	return text
}
