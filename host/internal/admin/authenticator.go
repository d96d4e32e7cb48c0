package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/ratelimit"
)

// MinToken is the least length of a token of the configuration, in characters.
const MinToken = 16

// maxToken is the greatest length of a token, in bytes.
const maxToken = 512

// Bearers knows the bearers of stored tokens. api.Service is one.
type Bearers interface {
	// Authenticate returns a *api.Problem of KindUnauthorized for a token that
	// is none.
	Authenticate(ctx context.Context, token string) (api.Actor, error)
}

// authenticator finds out who sent a request.
type authenticator struct {
	tokens       [][sha256.Size]byte
	bearers      Bearers // nil: none
	certificates certificates
	secure       bool // requests must come by TLS
	open         bool // everybody who reaches the address is an operator
	failures     *ratelimit.Limiter
}

func newAuthenticator(cfg Config, failures *ratelimit.Limiter) *authenticator {
	a := &authenticator{
		bearers: cfg.Bearers, certificates: certificates{cfg.ClientCAs, cfg.Clients},
		secure: cfg.Certificate != nil, open: !cfg.Closed && !cfg.guarded(), failures: failures,
	}
	for _, t := range cfg.Tokens {
		a.tokens = append(a.tokens, sha256.Sum256([]byte(t)))
	}
	return a
}

// Authenticate returns who sent a request, or a *api.Problem. A token counts
// before a certificate, and a request with a wrong token is refused even if its
// certificate would do.
func (a *authenticator) Authenticate(r *http.Request) (api.Actor, error) {
	if a.secure && r.TLS == nil { // its connection is older than a reload
		return api.Actor{}, api.NewProblem(api.KindMisdirected, "the admin server speaks HTTPS now")
	}
	if r.Header.Get("Authorization") != "" {
		return a.byToken(r)
	}
	if who, ok := a.certificates.bearer(r.TLS); ok {
		return who, nil
	}
	if !a.open {
		return api.Actor{}, api.NewProblem(api.KindUnauthorized, "a bearer token or a client certificate is needed")
	}
	if err := fromHere(r); err != nil {
		return api.Actor{}, err
	}
	return api.Actor{Operator: true, Name: "loopback"}, nil
}

// byToken compares tokens of the configuration, which people have chosen, only if
// the peer has not failed too often. It looks stored ones up in any case, since
// nobody guesses 256 bits: otherwise one client could lock out all others behind
// the same address.
func (a *authenticator) byToken(r *http.Request) (api.Actor, error) {
	now, from := time.Now(), peerOf(r.RemoteAddr)
	wait := a.failures.Wait(now, from)
	who, err := a.bearer(r, wait == 0)
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Status != http.StatusUnauthorized {
		return who, err
	}
	if wait > 0 {
		p := api.NewProblem(api.KindRate, "too many wrong tokens from this address")
		p.RetryAfter = wait
		return api.Actor{}, p
	}
	a.failures.Take(now, from)
	return api.Actor{}, api.NewProblem(api.KindUnauthorized, "the token is wrong, has expired or was revoked")
}

// bearer finds whose token it is (RFC 6750 section 2.1); mayGuess says that it
// may be one of the configuration.
func (a *authenticator) bearer(r *http.Request, mayGuess bool) (api.Actor, error) {
	wrong := api.NewProblem(api.KindUnauthorized, "")
	fields := r.Header.Values("Authorization")
	scheme, token, _ := strings.Cut(fields[0], " ")
	token = strings.TrimSpace(token)
	if len(fields) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return api.Actor{}, wrong
	}
	if i := a.configured(token); i > 0 && mayGuess {
		return api.Actor{Operator: true, Name: fmt.Sprintf("configured token %d", i)}, nil
	}
	if a.bearers == nil {
		return api.Actor{}, wrong
	}
	return a.bearers.Authenticate(r.Context(), token)
}

// configured returns the number of a token of the configuration; 0: it is none
// of them. Every one is compared, in a time that tells nothing of their
// contents or lengths.
func (a *authenticator) configured(token string) int {
	got, found := sha256.Sum256([]byte(token)), 0
	for i := range a.tokens {
		same := subtle.ConstantTimeCompare(got[:], a.tokens[i][:])
		found = subtle.ConstantTimeSelect(same, i+1, found)
	}
	return found
}

// operators lets operators through to pages.
func (a *authenticator) operators(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := a.Authenticate(r)
		if err == nil && !who.Operator {
			err = api.NewProblem(api.KindForbidden, "it is for operators")
		}
		if err != nil {
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers with a problem as the API does, which people can read, too.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*api.Problem](err)
	if !ok {
		p = api.NewProblem(api.KindInternal, "the sender of the request could not be authenticated")
	}
	v1.Refuse(w, r, p)
}

// Failed attempts that a peer may make: at once, and per second. The table is
// bounded; an attacker with a million addresses still has to guess whole tokens.
const (
	failuresAtOnce  = 20
	failuresASecond = 1
	maxPeers        = 4096
)

func newFailures() *ratelimit.Limiter {
	return ratelimit.New(failuresASecond, failuresAtOnce, maxPeers)
}

// peerOf returns what failed attempts and connections are counted by: an IPv4
// address, or the /64 network of an IPv6 address, which one customer has at
// least.
func peerOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	a, err := netip.ParseAddr(host)
	if a = a.Unmap().WithZone(""); err != nil || a.Is4() {
		return a.String()
	}
	network, _ := a.Prefix(64)
	return network.String()
}
