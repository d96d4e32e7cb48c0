package route

import (
	"net/http"
	"net/netip"
	"strings"

	"idlehost/host/internal/proxy/upstream"
)

// Site is what requests are served by. It does not change once it is in use.
type Site struct {
	// Upstream is where requests go; nil: Local answers. A TCP relay uses it
	// only.
	Upstream *upstream.Group
	Local    http.Handler
	// Classes gives requests a class that policies see.
	Classes PathClasses
	// Trusted are the networks whose forwarding headers are kept.
	Trusted []netip.Prefix
	// RewriteHost sends the target's host name instead of the client's.
	RewriteHost bool
	// Via is this proxy's name in Via headers (RFC 9110 section 7.6.3);
	// empty: none are written.
	Via string
}

// PathClasses gives paths a class. The longest prefix decides.
type PathClasses []PathClass

// PathClass gives the paths under Prefix a class.
type PathClass struct {
	Prefix string
	Class  uint16
}

// Of returns the class of a path, 0 where no prefix matches. A prefix matches
// whole path segments: /api matches /api and /api/x, not /apis.
func (cs PathClasses) Of(path string) uint16 {
	class, longest := uint16(0), -1
	for i := range cs {
		c := &cs[i]
		if len(c.Prefix) > longest && under(path, c.Prefix) {
			class, longest = c.Class, len(c.Prefix)
		}
	}
	return class
}

func under(path, prefix string) bool {
	if !strings.HasPrefix(path, prefix) {
		return false
	}
	return len(path) == len(prefix) || strings.HasSuffix(prefix, "/") || prefix == "" || path[len(prefix)] == '/'
}
