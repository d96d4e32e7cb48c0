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
)

// MinToken is the shortest token of the configuration that is worth the name,
// in characters.
const MinToken = 16

// maxToken is the longest text that is looked at as a token, in bytes.
const maxToken = 512

// Bearers knows the bearers of stored tokens. api.Service is one.
type Bearers interface {
	// Authenticate returns a *api.Problem of KindUnauthorized for a token that
	// is none.
	Authenticate(ctx context.Context, token string) (api.Actor, error)
}

// door decides who sent a request.
type door struct {
	tokens       [][sha256.Size]byte
	bearers      Bearers // nil: none
	certificates certificates
	secure       bool // only what came by TLS is for it
	open         bool // who reaches the address is an operator
	failures     *v1.Limiter
}

func newDoor(cfg Config, failures *v1.Limiter) *door {
	d := &door{
		bearers: cfg.Bearers, certificates: certificates{cfg.ClientCAs, cfg.Clients},
		secure: cfg.Certificate != nil, open: !cfg.Closed && !cfg.guarded(), failures: failures,
	}
	for _, t := range cfg.Tokens {
		d.tokens = append(d.tokens, sha256.Sum256([]byte(t)))
	}
	return d
}

// Authenticate returns who sent a request, or a *api.Problem. A token counts
// before a certificate, and a wrong one is not made good by anything else: who
// sends one means to be its bearer.
func (d *door) Authenticate(r *http.Request) (api.Actor, error) {
	if d.secure && r.TLS == nil { // its connection is older than a reload
		return api.Actor{}, api.NewProblem(api.KindMisdirected, "the admin server speaks HTTPS now")
	}
	if r.Header.Get("Authorization") != "" {
		return d.byToken(r)
	}
	if who, ok := d.certificates.bearer(r.TLS); ok {
		return who, nil
	}
	if !d.open {
		return api.Actor{}, api.NewProblem(api.KindUnauthorized, "a bearer token or a client certificate is needed")
	}
	if err := fromHere(r); err != nil {
		return api.Actor{}, err
	}
	return api.Actor{Operator: true, Name: "loopback"}, nil
}

// byToken looks at tokens of the configuration only if their sender has not
// failed too often: people have chosen them. Stored ones are looked at in any
// case, since nobody guesses 256 bits: otherwise one who sends rubbish would
// lock out everybody behind the same address.
func (d *door) byToken(r *http.Request) (api.Actor, error) {
	now, from := time.Now(), peerOf(r.RemoteAddr)
	wait := d.failures.Wait(now, from)
	who, err := d.bearer(r, wait == 0)
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Status != http.StatusUnauthorized {
		return who, err
	}
	if wait > 0 {
		p := api.NewProblem(api.KindRate, "too many wrong tokens from this address")
		p.RetryAfter = wait
		return api.Actor{}, p
	}
	d.failures.Take(now, from)
	return api.Actor{}, api.NewProblem(api.KindUnauthorized, "the token is wrong, has expired or was revoked")
}

// bearer finds whose token it is (RFC 6750 section 2.1); mayGuess says that it
// may be one of the configuration.
func (d *door) bearer(r *http.Request, mayGuess bool) (api.Actor, error) {
	wrong := api.NewProblem(api.KindUnauthorized, "")
	fields := r.Header.Values("Authorization")
	scheme, token, _ := strings.Cut(fields[0], " ")
	token = strings.TrimSpace(token)
	if len(fields) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return api.Actor{}, wrong
	}
	if i := d.configured(token); i > 0 && mayGuess {
		return api.Actor{Operator: true, Name: fmt.Sprintf("configured token %d", i)}, nil
	}
	if d.bearers == nil {
		return api.Actor{}, wrong
	}
	return d.bearers.Authenticate(r.Context(), token)
}

// configured returns the number of a token of the configuration; 0: it is none
// of them. Every one is compared, in a time that tells nothing of their
// contents or lengths.
func (d *door) configured(token string) int {
	got, found := sha256.Sum256([]byte(token)), 0
	for i := range d.tokens {
		same := subtle.ConstantTimeCompare(got[:], d.tokens[i][:])
		found = subtle.ConstantTimeSelect(same, i+1, found)
	}
	return found
}

// operators lets operators through to pages.
func (d *door) operators(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := d.Authenticate(r)
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

// refuse says no: in the language of the API, which people can read too.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*api.Problem](err)
	if !ok {
		p = api.NewProblem(api.KindInternal, "who asks could not be found out")
	}
	v1.Refuse(w, r, p)
}

// Failed attempts: so many at once, and so many a second, of a peer. The table
// is bounded; who has a million addresses is held back by the length of tokens.
const (
	failuresAtOnce  = 20
	failuresASecond = 1
	maxPeers        = 4096
)

func newFailures() *v1.Limiter { return v1.NewLimiter(failuresASecond, failuresAtOnce, maxPeers) }

// peerOf returns what failed attempts and connections are counted by: an IPv4
// address, or the network that is the least anybody has of IPv6.
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
