package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// MinToken is the shortest token that is worth the name, in characters.
const MinToken = 16

// guard lets requests with one of the bearer tokens through (RFC 6750 2.1).
// Every token is compared, in a time that tells nothing of their contents or
// lengths. Without tokens everything passes.
func guard(tokens []string, next http.Handler) http.Handler {
	if len(tokens) == 0 {
		return next
	}
	sums := make([][sha256.Size]byte, len(tokens))
	for i, t := range tokens {
		sums[i] = sha256.Sum256([]byte(t))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got, match := sha256.Sum256([]byte(strings.TrimSpace(token))), 0
		for i := range sums {
			match |= subtle.ConstantTimeCompare(got[:], sums[i][:])
		}
		if match != 1 || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="host admin"`)
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// browserGuard keeps web pages out of a server that trusts whoever reaches
// its loopback address: a page can make its own name resolve to 127.0.0.1
// (DNS rebinding), but then the Host header gives it away.
func browserGuard(tokens []string, next http.Handler) http.Handler {
	if len(tokens) > 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		_, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && err != nil {
			http.Error(w, "the admin server answers to an address or localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
