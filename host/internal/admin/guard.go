package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"idlehost/host/internal/api"
)

// sameOrigin refuses changes that a browser sends for a page of somebody
// else's. It sends a client certificate, and reaches a loopback address,
// whether the user knows of it or not.
func (a *authenticator) sameOrigin(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, api.NewProblem(api.KindForbidden, "it comes from a page of another origin"))
	}))
	return cross.Handler(next)
}

// fromHere keeps web pages out of a server that trusts whoever reaches its
// loopback address. A page can make its own name resolve to 127.0.0.1 (DNS
// rebinding), but then the Host field gives it away; and it can have the
// browser load something from here, which the browser says in Sec-Fetch-Site.
// Somebody who follows a link is let through.
func fromHere(r *http.Request) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); host != "localhost" && err != nil {
		return api.NewProblem(api.KindMisdirected, "without authentication the admin server answers to an address or localhost only")
	}
	site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
	if (site == "cross-site" || site == "same-site") && mode != "navigate" {
		return api.NewProblem(api.KindForbidden, "it comes from a page of another origin")
	}
	return nil
}
