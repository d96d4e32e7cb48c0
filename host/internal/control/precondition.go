package control

import (
	"fmt"
	"strings"

	"idlehost/host/internal/api"
)

// A tag is an entity tag with its quotes. It is a strong one.

// revisionTag is the tag of what a revision tells apart.
func revisionTag(letter byte, revision uint64) string { return fmt.Sprintf(`"%c%d"`, letter, revision) }

// check evaluates a precondition as RFC 9110 section 13.2.2 orders it. tag is
// that of the resource, and exists says that there is one.
func check(pre api.Precondition, tag string, exists bool) error {
	if pre.Match != "" {
		ok, err := matches(pre.Match, tag, exists)
		if err != nil {
			return err
		}
		if !ok {
			return api.NewProblem(api.KindPrecondition, "it is not what If-Match names any more: look again")
		}
	}
	if pre.Absent && exists {
		return api.NewProblem(api.KindPrecondition, "it is there already")
	}
	return nil
}

// required is check for what must not be changed by who has not seen it.
func required(pre api.Precondition, tag string) error {
	if pre.Match == "" && !pre.Absent {
		return api.NewProblem(api.KindPreconditionNeed, "say what is to be changed: If-Match with the ETag of what you have seen")
	}
	return check(pre, tag, true)
}

// matches compares a field value of If-Match with a tag: strongly, so that a
// weak one never matches (RFC 9110 section 8.8.3.2).
func matches(field, tag string, exists bool) (bool, error) {
	if strings.Trim(field, " \t") == "*" {
		return exists, nil
	}
	found, some := false, false
	for rest := field; ; {
		rest = strings.TrimLeft(rest, " \t,") // empty elements do not count (RFC 9110 section 5.6.1.2)
		if rest == "" {
			break
		}
		weak := strings.HasPrefix(rest, "W/")
		t, after, ok := cutTag(strings.TrimPrefix(rest, "W/"))
		if !ok {
			return false, invalid("If-Match", "If-Match is no list of entity tags")
		}
		some = true
		found = found || !weak && t == tag
		rest = after
	}
	if !some {
		return false, invalid("If-Match", "If-Match has no entity tag")
	}
	return found, nil
}

// cutTag reads one opaque tag, which ends where the list's next element begins.
func cutTag(s string) (tag, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", false
	}
	end := strings.IndexByte(s[1:], '"')
	if end < 0 {
		return "", "", false
	}
	tag, rest = s[:end+2], strings.TrimLeft(s[end+2:], " \t")
	for i := range len(tag) {
		if c := tag[i]; c <= ' ' || c == 0x7f {
			return "", "", false
		}
	}
	return tag, rest, rest == "" || rest[0] == ','
}
