package h1

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// outgoing is the length of the request's content; -1: not known.
func outgoing(r *http.Request) int64 {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return 0
	case r.ContentLength != 0:
		return r.ContentLength
	}
	return -1
}

// writeHead puts the head of a request into s.head (RFC 9112 sections 3 and
// 6). What the framing says is this package's own: the fields that r.Header
// has for it are left out.
func (s *buffers) writeHead(r *http.Request) error {
	b, err := requestLine(s.head[:0], r)
	if err != nil {
		return err
	}
	if b, err = framing(b, r); err != nil {
		return err
	}
	s.keys = s.keys[:0]
	for k := range r.Header {
		if !ours(k) {
			s.keys = append(s.keys, k)
		}
	}
	slices.Sort(s.keys)
	for _, k := range s.keys {
		if b, err = field(b, k, r.Header[k]); err != nil {
			return err
		}
	}
	s.head = append(b, "\r\n"...)
	return nil
}

func requestLine(b []byte, r *http.Request) ([]byte, error) {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	if !httpguts.ValidHeaderFieldName(method) || method == http.MethodConnect { // a token, too
		return nil, fmt.Errorf("method %q cannot be sent", r.Method)
	}
	if r.URL == nil || r.URL.Host == "" && r.Host == "" {
		return nil, errors.New("request has no host")
	}
	uri := r.URL.RequestURI()
	if strings.IndexFunc(uri, func(c rune) bool { return c < ' ' || c == 0x7f }) >= 0 {
		return nil, errors.New("request target has a control character")
	}
	b = append(append(b, method...), ' ')
	if strings.IndexByte(uri, ' ') >= 0 { // in a query that came by HTTP/2: it would split the line
		uri = strings.ReplaceAll(uri, " ", "%20")
	}
	b = append(append(b, uri...), " HTTP/1.1\r\nHost: "...)
	host, err := hostOf(r)
	if err != nil {
		return nil, err
	}
	return append(append(b, host...), "\r\n"...), nil
}

// hostOf returns the value of the Host field. One that is not valid is sent
// empty: the server refuses it, and nothing can be smuggled in it.
func hostOf(r *http.Request) (string, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if strings.IndexFunc(host, func(c rune) bool { return c >= 0x80 }) >= 0 {
		var err error
		if host, err = httpguts.PunycodeHostPort(host); err != nil {
			return "", fmt.Errorf("host %q: %w", r.Host, err)
		}
	}
	if !httpguts.ValidHostHeader(host) {
		return "", nil
	}
	return withoutZone(host), nil
}

// withoutZone removes the zone of an IPv6 address, which has no meaning
// elsewhere (RFC 6874 section 4).
func withoutZone(host string) string {
	if !strings.HasPrefix(host, "[") {
		return host
	}
	end := strings.LastIndexByte(host, ']')
	zone := strings.IndexByte(host, '%')
	if zone < 0 || zone > end {
		return host
	}
	return host[:zone] + host[end:]
}

// framing says how long the content is.
func framing(b []byte, r *http.Request) ([]byte, error) {
	if r.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	switch n := outgoing(r); {
	case n > 0:
		b = strconv.AppendInt(append(b, "Content-Length: "...), n, 10)
	case n < 0:
		b = append(b, "Transfer-Encoding: chunked"...)
		if len(r.Trailer) > 0 {
			names, err := trailerNames(r.Trailer)
			if err != nil {
				return nil, err
			}
			b = append(append(b, "\r\nTrailer: "...), names...)
		}
	case r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch:
		b = append(b, "Content-Length: 0"...) // many servers want it
	default:
		return b, nil
	}
	return append(b, "\r\n"...), nil
}

func trailerNames(h http.Header) (string, error) {
	var names []string
	for k := range h {
		if ours(k) || !httpguts.ValidTrailerHeader(k) || !httpguts.ValidHeaderFieldName(k) {
			return "", fmt.Errorf("trailer field %q cannot be sent", k)
		}
		names = append(names, k)
	}
	slices.Sort(names)
	return strings.Join(names, ","), nil
}

// ours reports whether a field is this package's to write.
func ours(name string) bool {
	switch len(name) {
	case len("Host"):
		return strings.EqualFold(name, "Host")
	case len("Trailer"):
		return strings.EqualFold(name, "Trailer")
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// field appends the lines of one field.
func field(b []byte, name string, values []string) ([]byte, error) {
	if !httpguts.ValidHeaderFieldName(name) {
		return nil, fmt.Errorf("header field name %q cannot be sent", name)
	}
	for _, v := range values {
		if !httpguts.ValidHeaderFieldValue(v) {
			return nil, fmt.Errorf("value of header field %q cannot be sent", name)
		}
		if v == "" && name == "User-Agent" {
			continue // net/http's way to say that there is none
		}
		b = append(append(append(append(b, name...), ": "...), strings.Trim(v, " \t")...), "\r\n"...)
	}
	return b, nil
}
