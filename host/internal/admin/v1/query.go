package v1

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Pages have so many items if nothing is said, and at most.
const (
	pageItems = 100
	maxItems  = 1000
)

// requestItems is how many items of a page count as one request.
const requestItems = 250

// maxValue is the length of the longest query parameter, in bytes.
const maxValue = 256

// parseQuery reads a query that may have the parameters of that list. One that
// is not known is refused: a filter with a typing error would show everything.
func parseQuery(r *http.Request, known string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("query", "it is malformed")
	}
	names := strings.Fields(known)
	for name, values := range q {
		switch {
		case !slices.Contains(names, name):
			return nil, invalid(clip(name), "there is no such parameter")
		case len(values) > 1:
			return nil, invalid(name, "it is given %d times", len(values))
		case len(values[0]) > maxValue:
			return nil, invalid(name, "it is longer than %d bytes", maxValue)
		}
	}
	return q, nil
}

// clip shortens what is reflected in an answer.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "..."
	}
	return s
}

// number reads a parameter; 0: it is not given.
func (c *call) number(name string) (uint64, error) {
	text := c.query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, invalid(name, "%q is no number", text)
	}
	return n, nil
}

// limit reads how long a page may be.
func (c *call) limit() (int, error) {
	if !c.query.Has("limit") {
		return pageItems, nil
	}
	n, err := c.number("limit")
	if err == nil && (n < 1 || n > maxItems) {
		err = invalid("limit", "%d is not from 1 to %d", n, maxItems)
	}
	return int(min(n, maxItems)), err
}

// span reads a duration such as 1m30s.
func (c *call) span(name string) (time.Duration, error) {
	text := c.query.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, invalid(name, "%q is no duration such as 1m30s", text)
	}
	return d, nil
}

// choice reads one of some words; "": it is not given.
func (c *call) choice(name string, words ...string) (string, error) {
	text := c.query.Get(name)
	if text != "" && !slices.Contains(words, text) {
		return "", invalid(name, "%q is none of %s", text, strings.Join(words, ", "))
	}
	return text, nil
}

// address reads an IP address, and writes it as the host does.
func (c *call) address(name string) (string, error) {
	text := c.query.Get(name)
	if text == "" {
		return "", nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return "", invalid(name, "%q is no address", text)
	}
	return a.Unmap().String(), nil
}
