package v1

import (
	"net/http"
	"slices"
	"strings"

	"idlehost/host/internal/api"
)

// entityTags is a list of entity tags, or any tag there is.
type entityTags struct {
	any  bool
	list []string // as they were sent: "x" or W/"x"
}

// The two comparisons of RFC 9110 section 8.8.3.2.
const (
	strong = false
	weak   = true
)

// has reports whether a tag, which is a strong one, is among them.
func (t *entityTags) has(tag string, weakly bool) bool {
	return t.any || slices.ContainsFunc(t.list, func(s string) bool {
		if weakly {
			s = strings.TrimPrefix(s, "W/")
		}
		return s == tag
	})
}

// preconditions reads If-Match and If-None-Match; nil: it was not sent.
func preconditions(r *http.Request) (match, none *entityTags, err error) {
	if match, err = fieldTags(r, "If-Match"); err == nil {
		none, err = fieldTags(r, "If-None-Match")
	}
	return match, none, err
}

// precondition reads what a change depends on.
func (c *call) precondition() (api.Precondition, error) {
	match, none, err := preconditions(c.r)
	if err != nil {
		return api.Precondition{}, err
	}
	var pre api.Precondition
	if match != nil {
		pre.Match = strings.Join(match.list, ", ")
		if match.any {
			pre.Match = "*"
		}
	}
	if none != nil && !none.any {
		return pre, invalid("If-None-Match", "a change may ask for * only")
	}
	pre.Absent = none != nil
	return pre, nil
}

func fieldTags(r *http.Request, name string) (*entityTags, error) {
	values := r.Header.Values(name)
	if len(values) == 0 {
		return nil, nil
	}
	t, ok := parseTags(strings.Join(values, ","))
	if !ok {
		return nil, invalid(name, "it is no list of entity tags in quotes, and not *")
	}
	return t, nil
}

// parseTags reads the value of If-Match or If-None-Match (RFC 9110 section
// 13.1.1), empty elements of the list included (section 5.6.1.2).
func parseTags(s string) (*entityTags, bool) {
	s = strings.Trim(s, " \t")
	if s == "*" {
		return &entityTags{any: true}, true
	}
	t := &entityTags{}
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return t, len(t.list) > 0
		}
		prefix, rest := "", s
		if after, ok := strings.CutPrefix(s, "W/"); ok {
			prefix, rest = "W/", after
		}
		if !strings.HasPrefix(rest, `"`) {
			return nil, false
		}
		opaque, rest, closed := strings.Cut(rest[1:], `"`)
		if !closed || strings.ContainsFunc(opaque, func(r rune) bool { return r < 0x21 || r == 0x7f }) {
			return nil, false
		}
		t.list = append(t.list, prefix+`"`+opaque+`"`)
		s = strings.TrimLeft(rest, " \t")
		if s != "" && s[0] != ',' {
			return nil, false
		}
	}
}
