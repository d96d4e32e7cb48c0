package httpproxy

import "strings"

// hostOf normalises the host of a request, as route.Target has it. A malformed
// host stays as it is: it belongs to no tenant.
func hostOf(s string) string {
	switch colon := strings.IndexByte(s, ':'); {
	case strings.HasPrefix(s, "["):
		addr, rest, ok := strings.Cut(s[1:], "]")
		if !ok || rest != "" && rest[0] != ':' {
			return s
		}
		return strings.ToLower(addr)
	case colon >= 0 && colon == strings.LastIndexByte(s, ':'):
		s = s[:colon]
	}
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
